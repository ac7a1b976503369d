//! Names for containers nobody named: a quality and a thing of the harbour.

const QUALITIES: [&str; 48] = [
    "able", "amber", "bold", "brave", "brisk", "calm", "clear", "coastal", "cool", "copper", "crisp", "deft", "eager", "early", "even", "fair", "fleet",
    "fresh", "frosty", "gentle", "glad", "golden", "handy", "happy", "keen", "kind", "light", "lively", "lucky", "mellow", "merry", "mild", "neat", "nimble",
    "noble", "placid", "proud", "quick", "quiet", "ready", "silver", "sleek", "smart", "solid", "steady", "sunny", "swift", "vivid",
];
const THINGS: [&str; 48] = [
    "anchor", "barge", "beacon", "berth", "bollard", "boom", "bridge", "buoy", "cable", "canal", "capstan", "cargo", "clipper", "cog", "compass", "cove",
    "crane", "crate", "current", "davit", "deck", "derrick", "dinghy", "dock", "ferry", "fjord", "galley", "gull", "harbor", "hoist", "hull", "jetty", "keel",
    "ketch", "lantern", "lighter", "mast", "pier", "pilot", "pulley", "quay", "rudder", "sextant", "skiff", "sloop", "tide", "tug", "wharf",
];

/// A name like `calm_harbor`; `number` above 0 is added for when that is taken.
pub fn random(pick: impl Fn(usize) -> usize, number: usize) -> String {
    let name = format!("{}_{}", QUALITIES[pick(QUALITIES.len())], THINGS[pick(THINGS.len())]);
    if number == 0 { name } else { format!("{name}{number}") }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_random_name_is_a_container_name() {
        for pick in 0..48 {
            let name = super::random(|_| pick, pick);
            assert!(name.parse::<gantry_model::ContainerName>().is_ok(), "{name}");
        }
    }
}
