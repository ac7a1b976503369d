//! Lists of small numbers as the kernel writes them. In: `0-3,7`. Out: a mask.

/// The mask of a list; `None` if it is none, or a number is above 1023.
pub(crate) fn mask(list: &str) -> Option<[u64; 16]> {
    let mut mask = [0; 16];
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        for number in first.parse::<usize>().ok()?..=last.parse::<usize>().ok()? {
            *mask.get_mut(number / 64)? |= 1 << (number % 64);
        }
    }
    Some(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_become_bits() {
        assert_eq!(mask("0-2,64").map(|mask| (mask[0], mask[1])), Some((7, 1)));
        assert_eq!(mask("1024"), None);
        assert_eq!(mask("a"), None);
    }
}
