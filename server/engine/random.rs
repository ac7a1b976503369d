//! Random bytes of the kernel, as ids and tokens.

use gantry_model::{ContainerId, ExecId, JobId};

pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes once it has booted");
    bytes
}

pub fn container_id() -> ContainerId {
    ContainerId::from_bytes(bytes())
}

pub fn exec_id() -> ExecId {
    ExecId::from_bytes(bytes())
}

pub fn job_id() -> JobId {
    JobId::from_bytes(bytes())
}

/// 64 hex digits that nobody can guess.
pub fn token() -> String {
    hex::encode(bytes::<32>())
}

/// A number below `end`.
pub fn below(end: usize) -> usize {
    (u64::from_le_bytes(bytes()) % end as u64) as usize
}

/// `xxxx-xxxx-xxxx`: 60 bits that a person can type, without letters that look alike.
pub fn setup_code() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
    let digits: Vec<u8> = bytes::<12>().iter().map(|byte| LETTERS[usize::from(byte % 32)]).collect();
    digits.chunks(4).map(|part| String::from_utf8_lossy(part).into_owned()).collect::<Vec<_>>().join("-")
}
