use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

fn listeners(queue: usize) -> Listeners {
    Listeners::new(Limits { queue, patience: PATIENCE })
}

fn joined(listeners: &Listeners, name: &str, wants: &str) -> ListenerId {
    let (id, _) = listeners.join(name.to_owned()).unwrap();
    assert!(listeners.wants(id, wants.as_bytes().to_vec()));
    id
}

fn message(text: &str) -> Arc<[u8]> {
    text.as_bytes().into()
}

/// Takes everything that is kept for a listener.
fn taken(listeners: &Listeners, id: ListenerId) -> Vec<String> {
    let mut taken = Vec::new();
    while let Some(Next::Message(message)) = listeners.next(id) {
        taken.push(String::from_utf8(message.to_vec()).unwrap());
        listeners.sent(id);
    }
    taken
}

#[test]
fn each_gets_what_it_wants_by_the_beginning_of_the_topic() {
    let all = listeners(10);
    let now = Instant::now();
    assert_eq!(all.offer(b"org.example.tag", &message("nobody's"), now), Offered::Taken);
    let (some, every) = (joined(&all, "some", "org.example."), joined(&all, "every", ""));
    assert!(all.any("org.example.tag") && all.any("com.example"));
    assert!(all.wants(some, b"org.".to_vec()));
    for topic in ["org.example.tag", "com.example.tag", "org.exampl"] {
        assert_eq!(all.offer(topic.as_bytes(), &message(topic), now), Offered::Taken);
    }
    assert_eq!(taken(&all, some), ["org.example.tag", "org.exampl"], "once, however often it is wanted");
    assert_eq!(taken(&all, every).len(), 3);
    all.wants_no_more(some, b"org.");
    all.wants_no_more(some, b"never");
    all.leave(every);
    assert!(all.any("org.example.tag") && !all.any("org.exampl"));
}

#[test]
fn who_is_behind_is_waited_for_and_then_cut_off_and_what_it_misses_is_counted() {
    let all = listeners(4);
    let (slow, good) = (joined(&all, "slow", ""), joined(&all, "good", ""));
    let start = Instant::now();
    let offer = |text: &str, after: u64| all.offer(b"t", &message(text), start + Duration::from_secs(after));
    for text in ["1", "2", "3", "4"] {
        assert_eq!(offer(text, 0), Offered::Taken);
    }
    assert_eq!(taken(&all, good).len(), 4);
    let waits = Offered::Full { name: "slow".to_owned() };
    assert_eq!(offer("5", 10), waits);
    assert_eq!(offer("5", 69), waits, "since the first that waited");
    assert!(taken(&all, good).is_empty(), "what waits was given to nobody, since it comes again");
    // It reads a little, and is full again at once: that gains it no time.
    all.sent(slow);
    assert_eq!(offer("5", 69), Offered::Taken);
    assert_eq!(offer("6", 69), waits);
    assert_eq!((all.missed(), all.cut_off()), (0, 0));
    assert_eq!(offer("6", 70), Offered::Taken);
    assert_eq!((all.missed(), all.cut_off(), all.connected()), (4, 1, 1));
    assert_eq!(taken(&all, good), ["5", "6"], "each once and in order");
    assert_eq!(all.next(slow), None);
    assert_eq!((all.leave(slow), all.missed()), (0, 4), "counted once");
}

#[test]
fn who_has_read_half_has_all_the_time_again() {
    let all = listeners(4);
    let slow = joined(&all, "slow", "");
    let start = Instant::now();
    let offer = |after: u64| all.offer(b"t", &message("m"), start + Duration::from_secs(after));
    for _ in 0..4 {
        assert_eq!(offer(0), Offered::Taken);
    }
    assert!(matches!(offer(0), Offered::Full { .. }));
    all.sent(slow);
    all.sent(slow);
    assert_eq!((offer(59), offer(59)), (Offered::Taken, Offered::Taken));
    assert!(matches!(offer(61), Offered::Full { .. }) && matches!(offer(120), Offered::Full { .. }));
    assert_eq!(offer(121), Offered::Taken);
    assert_eq!(all.cut_off(), 1);
}

#[test]
fn whose_connection_breaks_has_missed_what_was_kept_for_it() {
    let all = listeners(10);
    let id = joined(&all, "gone", "");
    for _ in 0..3 {
        assert_eq!(all.offer(b"t", &message("m"), Instant::now()), Offered::Taken);
    }
    all.sent(id);
    assert_eq!((all.leave(id), all.leave(id)), (2, 0));
    assert_eq!((all.missed(), all.cut_off()), (2, 0));
}

#[test]
fn what_one_wants_and_asks_is_bounded() {
    let all = listeners(10);
    let (id, _) = all.join("greedy".to_owned()).unwrap();
    let fitting = (0..MOST_TOPICS + 1).take_while(|number| all.wants(id, number.to_string().into_bytes())).count();
    assert_eq!(fitting, MOST_TOPICS);
    all.leave(id);
    let (id, _) = all.join("asks all the time".to_owned()).unwrap();
    for number in 0..1000 {
        all.answer(id, format!("{number}").as_bytes());
    }
    assert_eq!(all.next(id), Some(Next::Answer(zmtp::pong(b"999"))), "one answer is kept");
    assert_eq!(all.next(id), None);
}

#[tokio::test]
async fn nobody_waits_for_listeners_that_cannot_come() {
    let all = listeners(10);
    let waiting = tokio::spawn({
        let all = all.clone();
        async move { all.wait_for("topic").await }
    });
    tokio::task::yield_now().await;
    let id = joined(&all, "one", "top");
    assert!(waiting.await.unwrap());
    assert_eq!(all.offer(b"topic", &message("m"), Instant::now()), Offered::Taken);
    all.close();
    assert_eq!(all.offer(b"topic", &message("m"), Instant::now()), Offered::Closed);
    assert!(!all.wait_for("other").await && all.join("late".to_owned()).is_none());
    let emptied = tokio::spawn({
        let all = all.clone();
        async move { all.emptied().await }
    });
    tokio::task::yield_now().await;
    assert!(!emptied.is_finished());
    assert_eq!(taken(&all, id), ["m"]);
    emptied.await.unwrap();
}
