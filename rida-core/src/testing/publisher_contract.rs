//! What every [`Publisher`] promises, as checks to run against one.

use super::sample;
use crate::announce::Announcement;
use crate::ports::Publisher;

/// Checks every promise. `published` returns what came out on the other side so far, each as its id.
///
/// # Panics
/// When the publisher does not keep one.
pub async fn run_all<F>(publisher: &dyn Publisher, published: F)
where
    F: Fn() -> Vec<String>,
{
    let lives = [
        sample::life_to_ready(sample::id(1), sample::nsvc("lua:5.4:1:c0ffee")),
        sample::life_to_failed(sample::id(2), sample::nsvc("lua:5.4:2:c0ffee")),
    ];
    let announcements: Vec<Announcement> =
        lives.into_iter().flatten().flat_map(|written| written.announcements).collect();
    assert!(announcements.len() > 5, "the samples announce something");
    for announcement in &announcements {
        let _ = publisher.publish(announcement).await.expect("it is handed over");
    }
    let expected: Vec<String> = announcements.iter().map(|announcement| announcement.id.to_string()).collect();
    assert_eq!(published(), expected, "all of it comes out, in order");
    let repeated = announcements.first().expect("there is one");
    let _ = publisher.publish(repeated).await.expect("a repeat is taken");
    assert_eq!(published().last(), Some(&repeated.id.to_string()), "a repeat has the same id");
}
