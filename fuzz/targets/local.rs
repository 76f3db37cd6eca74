//! What programs of this machine and packagers' files say: `sources`, versions, requirements, the traces of a run, and
//! specs. Each is read or refused with a reason; none panics, and what is read holds its promises.

pub(crate) fn run(data: &[u8]) {
    rida_local::fuzzing::read(data);
}
