//! Ids of messages: the same for each repeat of an announcement, in this process and any later one.

use openssl::sha::Sha1;
use rida_core::Announcement;
use time::OffsetDateTime;

/// Makes ids of announcements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageIds {
    instance: String,
}

impl MessageIds {
    /// Makes ids for one instance of the service; two that announce on one bus have different names.
    pub fn new(instance: &str) -> Self {
        Self { instance: instance.to_owned() }
    }

    /// Returns the UUID of an announcement: a hash as of version 5 (RFC 9562) of the instance, what the announcement is
    /// about and when it was made, so that a database that was made anew does not repeat the ids of the old one.
    pub fn uuid(&self, announcement: &Announcement) -> String {
        let mut hash = Sha1::new();
        let (id, nsvc) = (announcement.id.to_string(), announcement.nsvc.to_string());
        let at = announcement.at.millis().to_string();
        for part in ["rida", &self.instance, &nsvc, &id, &at] {
            hash.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = hash.finish();
        written(u128::from_be_bytes([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]), 5)
    }

    /// Returns the id that fedmsg has for an announcement: its UUID after the year.
    pub fn fedmsg(&self, announcement: &Announcement) -> String {
        format!("{}-{}", year(announcement), self.uuid(announcement))
    }
}

/// Returns a random UUID.
pub(crate) fn random() -> String {
    let mut bytes = [0; 16];
    // Without randomness it is the same each time, which who waits for it alone does not mind.
    let _ = openssl::rand::rand_bytes(&mut bytes);
    written(u128::from_be_bytes(bytes), 4)
}

/// Writes a number as a UUID of a version.
fn written(number: u128, version: u128) -> String {
    let variant = 2_u128 << 62;
    let number = number & !(15 << 76) & !(3 << 62) | version << 76 | variant;
    let hex = format!("{number:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

fn year(announcement: &Announcement) -> i32 {
    let seconds = announcement.at.millis().div_euclid(1000);
    OffsetDateTime::from_unix_timestamp(seconds).map_or(1970, OffsetDateTime::year)
}

/// Returns the part of an id that both buses have: bridges put the year before it, or take it away.
pub fn without_year(id: &str) -> &str {
    match id.split_at_checked(4) {
        Some((year, rest)) if year.bytes().all(|byte| byte.is_ascii_digit()) => rest.strip_prefix('-').unwrap_or(id),
        _ => id,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rida_core::Timestamp;
    use rida_core::testing::sample;

    use super::*;

    #[test]
    fn an_id_is_of_its_announcement_alone() {
        let ids = MessageIds::new("one");
        let lives = [
            sample::life_to_ready(sample::id(1), sample::nsvc("lua:5.4:1:c0ffee")),
            sample::life_to_failed(sample::id(2), sample::nsvc("lua:5.4:2:c0ffee")),
        ];
        let all: Vec<_> = lives.iter().flatten().flat_map(|written| &written.announcements).collect();
        let distinct: BTreeSet<_> = all.iter().map(|announcement| ids.uuid(announcement)).collect();
        assert_eq!(distinct.len(), all.len());
        for announcement in &all {
            let uuid = ids.uuid(announcement);
            assert_eq!(ids.uuid(&(*announcement).clone()), uuid, "a repeat has the same");
            assert_eq!((uuid.len(), uuid.as_bytes()[14], uuid.matches('-').count()), (36, b'5', 4));
            assert!(b"89ab".contains(&uuid.as_bytes()[19]), "{uuid}");
            assert_ne!(MessageIds::new("two").uuid(announcement), uuid);
            let mut later = (*announcement).clone();
            later.at = Timestamp::from_millis(later.at.millis() + 1);
            assert_ne!(ids.uuid(&later), uuid, "another database has another history");
            assert_eq!(without_year(&ids.fedmsg(announcement)), uuid);
        }
        // Held: who listens knows by it what it has seen.
        assert_eq!(ids.fedmsg(all[0]), "2027-95dcfcdb-334e-5d58-8c55-0b34b27ee0c4");
    }

    #[test]
    fn the_year_is_no_part_of_what_is_compared() {
        let uuid = "6c6ea4d3-1b0c-4c4a-9b9e-0b6b1d6a8d65";
        assert_eq!(without_year(&format!("2016-{uuid}")), uuid);
        assert_eq!(without_year(uuid), uuid);
        for odd in ["", "2016", "2016-", "é016-x", "20é6-x"] {
            assert!(odd.ends_with(without_year(odd)));
        }
    }
}
