//! Rules about one argument as ranges of its values. In: rules in order. Out: for each range the first value and what is returned.

use super::rules::{Choice, Return, Test};

/// `None` unless every rule asks one question about the same argument, and it is about its size.
pub(super) fn of_one_argument(choice: &Choice) -> Option<(u32, Vec<(u64, Return)>)> {
    let questions = choice.rules.iter().map(|rule| match rule.conditions.as_slice() {
        [condition] => Some((condition.argument, condition.test, rule.action)),
        _ => None,
    });
    let questions: Vec<(u32, Test, Return)> = questions.collect::<Option<_>>()?;
    let argument = questions.first()?.0;
    if questions.iter().any(|(other, test, _)| *other != argument || matches!(test, Test::Masked(..))) {
        return None;
    }
    let mut starts: Vec<u64> = std::iter::once(0).chain(questions.iter().flat_map(|(_, test, _)| edges(*test))).collect();
    starts.sort_unstable();
    starts.dedup();
    let at = |value: u64| questions.iter().find(|(_, test, _)| holds(*test, value)).map_or(choice.default, |(_, _, action)| *action);
    let mut ranges: Vec<(u64, Return)> = starts.into_iter().map(|start| (start, at(start))).collect();
    ranges.dedup_by_key(|(_, action)| *action);
    Some((argument, ranges))
}

/// Where the answer changes.
pub(super) fn edges(test: Test) -> impl Iterator<Item = u64> {
    let (from, to) = match test {
        Test::Within(from, to) | Test::Outside(from, to) => (Some(from), to.checked_add(1)),
        Test::Masked(..) | Test::Never => (None, None),
    };
    from.into_iter().chain(to)
}

pub(super) fn holds(test: Test, value: u64) -> bool {
    match test {
        Test::Within(from, to) => (from..=to).contains(&value),
        Test::Outside(from, to) => !(from..=to).contains(&value),
        Test::Masked(mask, wanted) => value & mask == wanted,
        Test::Never => false,
    }
}

/// Ranges of the lower half of an argument.
pub(super) type Lower<T> = Vec<(u32, T)>;

/// Splits ranges of 64 bits: for each range of the upper half, the ranges of the lower half.
pub(super) fn halves<T: Copy + PartialEq>(ranges: &[(u64, T)]) -> Vec<(u32, Lower<T>)> {
    let mut uppers: Vec<u32> = Vec::new();
    for (start, _) in ranges {
        let upper = (start >> 32) as u32;
        uppers.push(upper);
        // One that begins within an upper half leaves the next one to itself.
        if *start as u32 != 0 {
            uppers.extend(upper.checked_add(1));
        }
    }
    uppers.sort_unstable();
    uppers.dedup();
    let at = |value: u64| ranges.iter().rev().find(|(start, _)| *start <= value).map(|(_, what)| *what);
    let lower = |upper: u32| {
        let base = u64::from(upper) << 32;
        let inner = ranges.iter().filter(|(start, _)| (start >> 32) as u32 == upper && *start as u32 != 0).map(|(start, what)| (*start as u32, *what));
        at(base).map(|what| (0, what)).into_iter().chain(inner).collect()
    };
    let mut halves: Vec<(u32, Lower<T>)> = uppers.into_iter().map(|upper| (upper, lower(upper))).collect();
    halves.dedup_by(|later, before| later.1.len() == 1 && later.1 == before.1);
    halves
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_ranges_are_split_into_halves() {
        assert_eq!(halves(&[(0, 'a'), (5, 'b')]), [(0, vec![(0, 'a'), (5, 'b')]), (1, vec![(0, 'b')])]);
        assert_eq!(halves(&[(0, 'a'), (7 << 32, 'b')]), [(0, vec![(0, 'a')]), (7, vec![(0, 'b')])]);
        assert_eq!(halves(&[(0, 'a'), (u64::MAX, 'b')]), [(0, vec![(0, 'a')]), (u32::MAX, vec![(0, 'a'), (u32::MAX, 'b')])]);
    }
}
