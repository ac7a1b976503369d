//! Commands in form fields: text that a person types, as the words of a command, and back. No shell ever reads it.

/// The words of `text`, quoted as in a POSIX shell: `'…'`, `"…"` and `\`. Nothing is expanded. Source: POSIX.1-2024, "Quoting".
///
/// # Errors
/// A sentence about the quote that is not closed.
pub fn split(text: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut letters) = (Vec::new(), None::<String>, text.chars());
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\'' | '"' => quoted(letter, &mut letters, word.get_or_insert_default())?,
            '\\' => word.get_or_insert_default().push(letters.next().ok_or("the command ends with a lone \\")?),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

fn quoted(quote: char, letters: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), String> {
    while let Some(letter) = letters.next() {
        match letter {
            end if end == quote => return Ok(()),
            '\\' if quote == '"' => match letters.next() {
                Some(kept @ ('"' | '\\' | '$' | '`')) => word.push(kept),
                Some('\n') => {}
                Some(other) => word.extend(['\\', other]),
                None => break,
            },
            other => word.push(other),
        }
    }
    Err(format!("the command has a {quote} without its second one"))
}

/// Words as one line that [`split`] and a shell read back.
pub fn join(words: &[String]) -> String {
    words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

/// One word, in quotes if it needs them.
pub fn quote(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_parted_and_quotes_hold_them_together() {
        let check = |text: &str, wanted: &[&str]| assert_eq!(split(text).expect(text), wanted, "{text}");
        check("  sh -c 'echo \"a b\" $HOME'  ", &["sh", "-c", "echo \"a b\" $HOME"]);
        check(r#"a" b"c "" '' \  "\$\x\"" "#, &["a bc", "", "", " ", r#"$\x""#]);
        check("", &[]);
        check("psql\n-U\tme", &["psql", "-U", "me"]);
        for open in ["'a", "\"a", "a\\", "\"a\\"] {
            assert!(split(open).is_err(), "{open}");
        }
    }

    #[test]
    fn a_line_made_of_words_gives_the_words_again() {
        let words: Vec<String> = ["sh", "-c", "it's \"quoted\" \\ $x", "", "ü\n", "a b", "--x=1"].map(str::to_owned).to_vec();
        assert_eq!(split(&join(&words)), Ok(words));
    }
}
