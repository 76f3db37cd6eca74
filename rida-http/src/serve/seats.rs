//! Who may have a connection when there are fewer than clients.
//!
//! A client that says half a request, or nothing, holds its connection until a limit of time has passed, and a thousand
//! such clients would hold all there are. So one address has a part of them only, and whoever comes when all are taken
//! gets that of the client which has been waited for longest.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// How long a client is waited for before somebody else may get its connection: who means well says what it wants at
/// once.
const ENOUGH: Duration = Duration::from_secs(1);

/// How often it is looked whether a client has been waited for long enough.
const EVERY: Duration = Duration::from_millis(100);

/// All connections that there may be.
#[derive(Debug)]
pub(super) struct Seats {
    free: Arc<Semaphore>,
    for_one_client: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    seats: HashMap<u64, Arc<Place>>,
    clients: HashMap<IpAddr, usize>,
}

/// What is known of one connection.
#[derive(Debug)]
struct Place {
    /// Since when its client is waited for; absent while a request is answered.
    waiting: Mutex<Option<Instant>>,
    given_up: Notify,
}

/// One connection's right to be. It ends with this.
#[derive(Debug)]
pub(super) struct Seat {
    number: u64,
    client: IpAddr,
    place: Arc<Place>,
    taken: Arc<Mutex<Taken>>,
    _permit: Option<OwnedSemaphorePermit>,
}

/// Is told when requests of a connection are answered.
#[derive(Clone, Debug)]
pub(super) struct Watch(Arc<Place>);

/// A request of a connection that is being answered, which is not given up meanwhile.
#[derive(Debug)]
pub(super) struct Answering(Arc<Place>);

impl Seats {
    pub(super) fn new(connections: usize, for_one_client: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(connections)), for_one_client, taken: Arc::default() }
    }

    /// Counts a client in, unless it has all that one client may have.
    pub(super) fn admit(&self, client: IpAddr) -> Option<Seat> {
        let client = network(client);
        let mut taken = lock(&self.taken);
        let has = taken.clients.entry(client).or_default();
        if *has >= self.for_one_client {
            return None;
        }
        *has += 1;
        let number = taken.next;
        taken.next += 1;
        let place = Arc::new(Place { waiting: Mutex::new(Some(Instant::now())), given_up: Notify::new() });
        taken.seats.insert(number, Arc::clone(&place));
        Some(Seat { number, client, place, taken: Arc::clone(&self.taken), _permit: None })
    }

    /// Waits until there is a connection for a client who was counted in: a free one, or that of the client which has
    /// been waited for longest.
    pub(super) async fn seat(&self, mut seat: Seat) -> Seat {
        loop {
            if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
                seat._permit = Some(permit);
                return seat;
            }
            self.give_one_up(seat.number);
            let permit = Arc::clone(&self.free).acquire_owned();
            if let Ok(Ok(permit)) = tokio::time::timeout(EVERY, permit).await {
                seat._permit = Some(permit);
                return seat;
            }
        }
    }

    fn give_one_up(&self, but: u64) {
        let taken = lock(&self.taken);
        let waiting = |(number, place): (&u64, &Arc<Place>)| {
            let since = (*lock(&place.waiting)).filter(|since| *number != but && since.elapsed() >= ENOUGH)?;
            Some((since, *number))
        };
        let longest = taken.seats.iter().filter_map(waiting).min();
        if let Some(place) = longest.and_then(|(_, number)| taken.seats.get(&number)) {
            // Not found a second time.
            *lock(&place.waiting) = None;
            place.given_up.notify_one();
        }
    }
}

impl Seat {
    /// Returns when the connection is needed for somebody else.
    pub(super) async fn given_up(&self) {
        self.place.given_up.notified().await;
    }

    /// Returns what tells when requests are answered.
    pub(super) fn watch(&self) -> Watch {
        Watch(Arc::clone(&self.place))
    }
}

impl Watch {
    /// Says that a request is answered as long as what is returned lives.
    pub(super) fn answering(&self) -> Answering {
        *lock(&self.0.waiting) = None;
        Answering(Arc::clone(&self.0))
    }
}

/// The body of an answer. Its request is being answered until it is written, which outlives the handler.
#[derive(Debug)]
pub(super) struct Answer<B> {
    body: B,
    _answering: Answering,
}

impl<B> Answer<B> {
    pub(super) fn new(body: B, answering: Answering) -> Self {
        Self { body, _answering: answering }
    }
}

impl<B: Body + Unpin> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        *lock(&self.0.waiting) = Some(Instant::now());
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.seats.remove(&self.number);
        if let Some(has) = taken.clients.get_mut(&self.client) {
            *has = has.saturating_sub(1);
            if *has == 0 {
                taken.clients.remove(&self.client);
            }
        }
    }
}

/// Returns what counts as one client: who has one address of version 6 has all of its network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_client_has_a_part_of_all_connections() {
        let seats = Seats::new(10, 2);
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        let held = [seats.admit(one).unwrap(), seats.admit(address("::ffff:192.0.2.1")).unwrap()];
        assert!(seats.admit(one).is_none());
        assert!(seats.admit(other).is_some());
        drop(held);
        assert!(seats.admit(one).is_some());
        let _held = [seats.admit(address("2001:db8::1")).unwrap(), seats.admit(address("2001:db8::2")).unwrap()];
        assert!(seats.admit(address("2001:db8::3")).is_none(), "it is one network");
        assert!(seats.admit(address("2001:db8:0:1::3")).is_some());
        assert_eq!(lock(&seats.taken).clients.len(), 1, "who has none is forgotten");
    }

    #[tokio::test]
    async fn who_is_waited_for_longest_makes_room() {
        let seats = Seats::new(2, 9);
        let client = address("192.0.2.1");
        let answered = seats.seat(seats.admit(client).unwrap()).await;
        let answering = answered.watch().answering();
        let idle = seats.seat(seats.admit(client).unwrap()).await;
        let second = seats.seat(seats.admit(client).unwrap());
        let given_up = async {
            tokio::select! {
                () = answered.given_up() => panic!("it is answered at this moment"),
                () = idle.given_up() => drop(idle),
            }
        };
        let (second, ()) = tokio::join!(second, given_up);
        drop((second, answering));
    }
}
