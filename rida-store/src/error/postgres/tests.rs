use super::*;

#[test]
fn every_class_of_codes_has_a_meaning() {
    use StoreErrorKind::{Corrupt, Unavailable};
    for (code, expected, fate) in [
        ("08006", Unavailable, Fate::Lost),
        ("08P01", Unavailable, Fate::Lost),
        ("0A000", Unavailable, Fate::Outdated),
        ("22021", Corrupt, Fate::Ended),
        ("23505", Corrupt, Fate::Ended),
        ("25006", Unavailable, Fate::Ended),
        ("25P03", Unavailable, Fate::RolledBack),
        ("28P01", Unavailable, Fate::Ended),
        ("3D000", Unavailable, Fate::Ended),
        ("40001", Unavailable, Fate::RolledBack),
        ("40003", Unavailable, Fate::Lost),
        ("40P01", Unavailable, Fate::RolledBack),
        ("42501", Unavailable, Fate::Ended),
        ("42P01", Corrupt, Fate::Ended),
        ("42703", Corrupt, Fate::Ended),
        ("53100", Unavailable, Fate::Ended),
        ("53300", Unavailable, Fate::Ended),
        ("55P03", Unavailable, Fate::Ended),
        ("57014", Unavailable, Fate::Ended),
        ("57P01", Unavailable, Fate::Lost),
        ("57P03", Unavailable, Fate::Lost),
        ("58030", Unavailable, Fate::Ended),
        ("XX000", Unavailable, Fate::Ended),
        ("XX001", Corrupt, Fate::Ended),
        ("", Unavailable, Fate::Ended),
        ("é", Unavailable, Fate::Ended),
    ] {
        assert_eq!((kind(code), fate_of(code)), (expected, fate), "{code:?}");
    }
}
