//! What the driver promises to those who listen: at least once, in order for each build, one reader beside another.

#![expect(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rida_core::testing::simulation::block_on;
use rida_core::testing::{
    Layered, MemoryBuildSystem, MemoryPublisher, MemoryScm, MemoryStore, StoreLayer, TestClock, sample,
};
use rida_core::{
    Announcement, AnnouncementId, Driver, PUBLISHER, ParkedFilter, Parts, Policy, PortError, Publisher, Receipt, Store,
    StoreError, StoreErrorKind, WorkerId,
};

const BUS: &str = "bus";
const LEASE: Duration = Duration::from_secs(31);

/// A bus that refuses some builds, or is away.
#[derive(Default)]
struct Bus {
    told: Mutex<Vec<AnnouncementId>>,
    refuses: Mutex<BTreeSet<i64>>,
    away_after: Mutex<Option<usize>>,
}

#[async_trait]
impl Publisher for Bus {
    async fn publish(&self, announcement: &Announcement) -> Result<Receipt, PortError> {
        if self.refuses.lock().unwrap().contains(&announcement.id.build.get()) {
            return Err(PortError::permanent("the topic is not permitted").because("ACCESS_REFUSED"));
        }
        if let Some(left) = self.away_after.lock().unwrap().as_mut() {
            *left = left.checked_sub(1).ok_or_else(|| PortError::unavailable("the bus is away"))?;
        }
        self.told.lock().unwrap().push(announcement.id);
        Ok(Receipt::HandedOver)
    }
}

impl Bus {
    fn take(&self) -> Vec<AnnouncementId> {
        std::mem::take(&mut self.told.lock().unwrap())
    }

    fn refuse(&self, builds: &[i64]) {
        *self.refuses.lock().unwrap() = builds.iter().copied().collect();
    }
}

struct World {
    store: MemoryStore,
    clock: TestClock,
    publisher: MemoryPublisher,
    bus: Bus,
}

impl World {
    /// Two builds, whose changes follow each other in turns.
    fn new() -> Self {
        let store = MemoryStore::new();
        let lives = [
            sample::life_to_ready(sample::id(1), sample::nsvc("foo:1:1:c0ffee")),
            sample::life_to_failed(sample::id(2), sample::nsvc("bar:1:1:c0ffee")),
        ];
        let longest = lives.iter().map(Vec::len).max().unwrap();
        for step in 0..longest {
            for written in lives.iter().filter_map(|life| life.get(step)) {
                block_on(store.commit(written.commit())).unwrap();
            }
        }
        Self { store, clock: TestClock::at(sample::at(0)), publisher: MemoryPublisher::default(), bus: Bus::default() }
    }

    fn driver(&self, worker: &str) -> Driver {
        let parts = Parts {
            store: Arc::new(self.store.clone()),
            build_system: Arc::new(MemoryBuildSystem::new(Arc::new(self.clock.clone()))),
            publisher: Arc::new(self.publisher.clone()),
            scm: Arc::new(MemoryScm::default()),
            clock: Arc::new(self.clock.clone()),
            allow: rida_core::scm::AllowList::default(),
            policy: Policy::default(),
        };
        Driver::new(parts, WorkerId(worker.to_owned()))
    }

    fn publish(&self, driver: &Driver, limit: usize) -> rida_core::Published {
        block_on(driver.publish_with(BUS, &self.bus, limit)).unwrap()
    }

    fn all(&self) -> Vec<AnnouncementId> {
        let lines = block_on(self.store.log_after(0, usize::MAX)).unwrap();
        lines.iter().flat_map(|line| &line.announcements).map(|announcement| announcement.id).collect()
    }

    fn of(&self, build: i64) -> Vec<AnnouncementId> {
        self.all().into_iter().filter(|id| id.build.get() == build).collect()
    }

    fn parked(&self) -> Vec<AnnouncementId> {
        let parked = block_on(self.store.parked(BUS, ParkedFilter::default(), usize::MAX)).unwrap();
        parked.iter().map(|parked| parked.announcement).collect()
    }

    /// Why the first that is parked is.
    fn reason(&self) -> String {
        block_on(self.store.parked(BUS, ParkedFilter::default(), 1)).unwrap().remove(0).reason
    }
}

#[test]
fn a_reader_that_is_away_delays_no_other() {
    let world = World::new();
    let driver = world.driver("a");
    *world.bus.away_after.lock().unwrap() = Some(3);
    let published = world.publish(&driver, 1000);
    assert!(published.stopped.is_some() && published.waiting_since.is_some(), "{published:?}");
    assert_eq!(block_on(driver.publish(1000)).unwrap().announcements, world.all().len());
    assert_eq!(world.publisher.published().len(), world.all().len());
    *world.bus.away_after.lock().unwrap() = None;
    let rest = world.publish(&driver, 1000);
    assert!(rest.stopped.is_none() && rest.waiting_since.is_none(), "{rest:?}");
    let told = world.bus.take();
    let distinct: BTreeSet<_> = told.iter().collect();
    assert_eq!(distinct.len(), world.all().len(), "nothing is lost");
    assert!(told.len() - distinct.len() < 3, "at most what was told of one line is told again: {told:?}");
}

#[test]
fn one_process_publishes_at_a_time() {
    let world = World::new();
    let (a, b) = (world.driver("a"), world.driver("b"));
    assert_eq!(world.publish(&a, 3).lines, 3);
    let other = world.publish(&b, 3);
    assert!(other.elsewhere && other.lines == 0, "{other:?}");
    assert_eq!(world.publish(&a, 3).lines, 3, "the holder goes on");
    world.clock.advance(LEASE);
    assert_eq!(world.publish(&b, 3).lines, 3, "the lease ended");
    assert!(world.publish(&a, 3).elsewhere);
    block_on(b.release_reader(BUS)).unwrap();
    assert!(world.publish(&a, 1000).lines > 0, "it was given up");
    assert_eq!(world.bus.take(), world.all(), "each once and in order");
}

#[test]
fn who_cannot_reach_the_bus_leaves_it_to_another() {
    let world = World::new();
    let (a, b) = (world.driver("a"), world.driver("b"));
    *world.bus.away_after.lock().unwrap() = Some(0);
    assert!(world.publish(&a, 10).stopped.is_some());
    *world.bus.away_after.lock().unwrap() = None;
    assert!(!world.publish(&b, 10).elsewhere);
}

#[test]
fn a_long_round_renews_its_lease() {
    /// A bus on which each announcement takes ten seconds.
    struct Slow(TestClock);
    #[async_trait]
    impl Publisher for Slow {
        async fn publish(&self, _: &Announcement) -> Result<Receipt, PortError> {
            self.0.advance(Duration::from_secs(10));
            Ok(Receipt::Confirmed)
        }
    }
    let world = World::new();
    let driver = world.driver("a");
    let published = block_on(driver.publish_with(BUS, &Slow(world.clock.clone()), 1000)).unwrap();
    assert!(!published.elsewhere);
    assert_eq!((published.announcements, published.confirmed), (world.all().len(), world.all().len()));
    assert!(world.publish(&world.driver("b"), 10).lines == 0);
}

#[test]
fn what_is_refused_is_parked_with_what_follows_of_its_build() {
    let world = World::new();
    let driver = world.driver("a");
    world.bus.refuse(&[2]);
    let published = world.publish(&driver, 1000);
    assert_eq!(published.refused.len(), 1, "only the first of a build is tried");
    assert_eq!(published.behind, world.of(2).len() - 1);
    assert_eq!(world.bus.take(), world.of(1), "the other build goes on");
    assert_eq!(world.parked(), world.of(2));
    assert_eq!(world.reason(), "the topic is not permitted: ACCESS_REFUSED", "whoever mends it knows the cause");
    // What comes later of the build waits behind it, in another round and another process, too.
    let last = block_on(world.store.load(sample::id(2))).unwrap().unwrap();
    assert_eq!(last.state().name(), "failed");
    assert_eq!(world.publish(&driver, 1000).lines, 0, "nothing is tried again by itself");

    assert_eq!(block_on(world.store.retry_parked(BUS, None)).unwrap(), u64::try_from(world.of(2).len()).unwrap());
    let again = world.publish(&driver, 1000);
    assert_eq!((again.refused.len(), again.announcements), (1, 0), "it is refused again, and nothing overtakes it");
    assert!(world.reason().ends_with("ACCESS_REFUSED"), "{}", world.reason());
    assert_eq!(world.parked(), world.of(2));

    world.bus.refuse(&[]);
    block_on(world.store.retry_parked(BUS, Some(sample::id(2)))).unwrap();
    assert_eq!(world.publish(&driver, 1000).announcements, world.of(2).len());
    assert_eq!(world.bus.take(), world.of(2), "in order");
    assert_eq!(world.parked(), []);
}

#[test]
fn what_is_tried_again_is_told_at_once_however_much_it_is_and_before_what_follows() {
    let world = World::new();
    let driver = world.driver("a");
    world.bus.refuse(&[2]);
    let lines = block_on(world.store.log_end()).unwrap();
    let half = usize::try_from(lines / 2).unwrap();
    assert_eq!(world.publish(&driver, half).lines, half);
    let parked = world.parked().len();
    assert!(parked > 4 && parked < world.of(2).len(), "{parked}");
    world.bus.take();

    world.bus.refuse(&[]);
    block_on(world.store.retry_parked(BUS, None)).unwrap();
    // Two at a time, and nothing but what each round says of itself to go on by.
    let mut rounds = 0;
    while world.publish(&driver, 2).is_more(2) {
        rounds += 1;
        assert!(rounds < 1000);
    }
    assert_eq!(world.parked(), [], "what follows was not parked behind what was still to be tried");
    let told: Vec<_> = world.bus.take().into_iter().filter(|id| id.build == sample::id(2)).collect();
    assert_eq!(told, world.of(2), "in order");
}

#[test]
fn a_later_line_of_a_parked_build_waits_behind_it() {
    let world = World::new();
    let driver = world.driver("a");
    world.bus.refuse(&[2]);
    let mut rounds = 0;
    while world.publish(&driver, 1).lines == 1 {
        // The topic is permitted again after the first was parked; it must not be overtaken.
        if !world.parked().is_empty() {
            world.bus.refuse(&[]);
        }
        rounds += 1;
    }
    assert!(rounds > 10);
    assert_eq!(world.bus.take(), world.of(1));
    assert_eq!(world.parked(), world.of(2));
    // Given up, one after the other, by somebody who wants no more of them.
    for id in world.of(2) {
        block_on(world.store.unpark(BUS, id)).unwrap();
    }
    assert_eq!(world.parked(), []);
}

/// Publishes in small rounds until there is nothing more to do.
fn publish_all(world: &World, driver: &Driver, limit: usize) {
    for _ in 0..100 {
        let published = world.publish(driver, limit);
        if published.lines == 0 && published.announcements == 0 && published.refused.is_empty() {
            return;
        }
    }
    panic!("it never ends");
}

#[test]
fn what_is_parked_while_a_build_is_tried_again_is_tried_with_it() {
    let world = World::new();
    let driver = world.driver("a");
    world.bus.refuse(&[2]);
    while world.parked().len() <= 6 {
        assert_eq!(world.publish(&driver, 5).lines, 5);
    }
    assert!(world.parked().len() < world.of(2).len(), "some of it is not read yet");
    world.bus.refuse(&[]);
    block_on(world.store.retry_parked(BUS, None)).unwrap();
    // Each round tries fewer than are parked, and reads on.
    publish_all(&world, &driver, 3);
    assert_eq!(world.parked(), []);
    let told = world.bus.take();
    for build in [1, 2] {
        let of_build: Vec<_> = told.iter().filter(|id| id.build.get() == build).copied().collect();
        assert_eq!(of_build, world.of(build), "each once and in order");
    }
}

#[test]
fn a_replay_over_more_than_a_round_of_parked_ones_leaves_none() {
    let world = World::new();
    let driver = world.driver("a");
    let _ = world.publish(&driver, 6);
    let first: Vec<_> = world.bus.take().into_iter().filter(|id| id.build.get() == 2).collect();
    assert!(!first.is_empty());
    world.bus.refuse(&[2]);
    publish_all(&world, &driver, 1000);
    assert!(world.parked().len() > 6);
    world.bus.refuse(&[]);
    let _ = world.bus.take();
    block_on(world.store.rewind_reader(BUS, 0)).unwrap();
    block_on(world.store.retry_parked(BUS, None)).unwrap();
    publish_all(&world, &driver, 3);
    assert_eq!(world.parked(), []);
    let (mut seen, mut of_two) = (BTreeSet::new(), first);
    of_two.extend(world.bus.take().into_iter().filter(|id| id.build.get() == 2));
    of_two.retain(|id| seen.insert(*id));
    assert_eq!(of_two, world.of(2), "each is told first in its turn");
}

#[test]
fn who_has_it_tried_again_in_the_middle_of_a_round_has_all_of_it_tried() {
    /// A bus on which somebody has everything tried again while it is published on.
    struct Meddled<'a>(&'a World);
    #[async_trait]
    impl Publisher for Meddled<'_> {
        async fn publish(&self, announcement: &Announcement) -> Result<Receipt, PortError> {
            self.0.store.retry_parked(BUS, None).await.unwrap();
            self.0.bus.publish(announcement).await
        }
    }
    let world = World::new();
    let driver = world.driver("a");
    world.bus.refuse(&[2]);
    let _ = world.publish(&driver, 5);
    assert!(!world.parked().is_empty());
    world.bus.refuse(&[]);
    let _ = block_on(driver.publish_with(BUS, &Meddled(&world), 5)).unwrap();
    publish_all(&world, &driver, 1000);
    assert_eq!(world.parked(), []);
    let told = world.bus.take();
    let of_two: Vec<_> = told.iter().filter(|id| id.build.get() == 2).copied().collect();
    assert_eq!(of_two, world.of(2), "in order");
}

#[test]
fn a_reader_that_is_moved_back_tells_all_again_with_the_same_ids() {
    let world = World::new();
    let driver = world.driver("a");
    let _ = world.publish(&driver, 1000);
    let first = world.bus.take();
    let fourth = block_on(world.store.log_after(3, 1)).unwrap();
    block_on(world.store.rewind_reader(BUS, 3)).unwrap();
    let _ = world.publish(&driver, 1000);
    let again = world.bus.take();
    assert!(!again.is_empty() && first.ends_with(&again));
    assert_eq!(again.first(), fourth[0].announcements.first().map(|announcement| &announcement.id));
    assert_eq!(block_on(world.store.reader(PUBLISHER)).unwrap().sequence, 0, "other readers are where they were");
}

/// The store of a process that ends after some calls.
struct Ending {
    store: MemoryStore,
    left: Mutex<usize>,
}

#[async_trait]
impl StoreLayer for Ending {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.store
    }

    async fn before(&self) -> Result<(), StoreError> {
        let mut left = self.left.lock().unwrap();
        *left = left.checked_sub(1).ok_or_else(|| StoreError::new(StoreErrorKind::Unavailable, "the process ended"))?;
        Ok(())
    }
}

#[test]
fn a_crash_at_the_first_start_of_a_reader_tells_nobody_the_whole_history() {
    for calls in 0..6 {
        let world = World::new();
        let mut parts = world.driver("a").parts().clone();
        parts.store = Arc::new(Layered(Ending { store: world.store.clone(), left: Mutex::new(calls) }));
        let _ = block_on(Driver::new(parts, WorkerId("a".to_owned())).begin_reader(BUS));
        // The next process comes after the lease of the first one would have ended.
        world.clock.advance(Duration::from_secs(600));
        let driver = world.driver("b");
        block_on(driver.begin_reader(BUS)).unwrap();
        let _ = world.publish(&driver, 1000);
        assert_eq!(world.bus.take(), [], "after {calls} calls");
    }
}

#[test]
fn a_new_reader_begins_behind_what_was_there_once() {
    let world = World::new();
    let driver = world.driver("a");
    let end = block_on(world.store.log_end()).unwrap();
    block_on(driver.begin_reader(BUS)).unwrap();
    assert_eq!(world.publish(&driver, 1000).lines, 0);
    let next = sample::life_to_ready(sample::id(3), sample::nsvc("baz:1:1:c0ffee"));
    for written in &next {
        block_on(world.store.commit(written.commit())).unwrap();
    }
    // Another start, and another process, change nothing of it.
    for worker in ["a", "b"] {
        block_on(world.driver(worker).begin_reader(BUS)).unwrap();
        assert_eq!(block_on(world.store.reader(BUS)).unwrap().sequence, end);
    }
    assert_eq!(world.publish(&driver, 1000).lines, next.len());
    assert_eq!(world.bus.take(), world.of(3));
}
