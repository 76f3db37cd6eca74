//! What is built.

/// How many modules there are of each name, in streams of their own.
pub(crate) const STREAMS: u64 = 4;

/// How many builds may run at once: in all, of one module, of one user.
pub(crate) const LIMITS: (usize, usize, usize) = (12, 3, 5);

/// Where modulemd documents are said to be.
pub(crate) const PLACE: &str = "https://src.example.org/modules";

/// A component whose builds fail.
pub(crate) const BAD: &str = "bad";

/// What is added to the number of a module when it is built a second time, of the same sources.
pub(crate) const AGAIN: u64 = 1_000_000;

/// The name of a module.
pub(crate) fn name(number: u64) -> String {
    format!("module{}", number % AGAIN / STREAMS)
}

/// The stream of a module.
pub(crate) fn stream(number: u64) -> String {
    format!("stream{}", number % AGAIN % STREAMS)
}

/// The address of a module, with which it is submitted.
pub(crate) fn address(number: u64) -> String {
    let place = if number < AGAIN { PLACE.to_owned() } else { format!("{PLACE}/again") };
    format!("{place}/{}.git?#{}", name(number), stream(number))
}

/// Tells whether one of its components fails.
pub(crate) fn fails(number: u64) -> bool {
    number % AGAIN % 10 == 7
}

/// How many components it has, the macros included.
pub(crate) fn components(number: u64) -> usize {
    usize::try_from(3 + number % AGAIN % 3).unwrap()
}
