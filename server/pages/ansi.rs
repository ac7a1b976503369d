//! A program's output as pieces with classes: colours and weights are kept, everything else a terminal would obey (titles, links, cursor
//! moves, the clipboard) is dropped. Source: ECMA-48; xterm's control sequences.

/// A run of text in one look.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Piece {
    /// Classes of `log.css`; empty for plain text.
    pub class: String,
    pub text: String,
    /// Part of what was searched for.
    pub hit: bool,
}

/// The look that is on; it goes on over lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    front: Option<u8>,
    back: Option<u8>,
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
    reverse: bool,
}

/// Cuts a line into pieces. `look` is what the line before left on.
pub fn pieces(line: &str, look: &mut Look) -> Vec<Piece> {
    let line = last_written(line.trim_end_matches(['\n', '\r']));
    let (mut out, mut text) = (Vec::new(), String::new());
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' => match letters.next() {
                Some('[') => {
                    let mut parameters = String::new();
                    let mut last = None;
                    for letter in letters.by_ref() {
                        if ('@'..='~').contains(&letter) {
                            last = Some(letter);
                            break;
                        }
                        parameters.push(letter);
                    }
                    if last == Some('m') {
                        flush(&mut out, &mut text, *look);
                        look.select(&parameters);
                    }
                }
                // Strings (title, link, clipboard …) end with BEL or ESC \.
                Some(']' | 'P' | '_' | '^' | 'X') => skip_string(&mut letters),
                // Sequences of two or three letters: character sets, cursor.
                Some('(' | ')' | '*' | '+' | '#' | '%' | ' ') => drop(letters.next()),
                _ => {}
            },
            '\u{9b}' | '\u{9d}' | '\u{90}' => skip_string(&mut letters),
            '\t' => text.push('\t'),
            '\u{8}' => drop(text.pop()),
            letter if letter.is_control() => {}
            // Marks that turn the reading direction could make a line say something else.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => text.push('\u{fffd}'),
            letter => text.push(letter),
        }
    }
    flush(&mut out, &mut text, *look);
    out
}

/// A progress bar writes its line again and again after `\r`: the last one counts.
fn last_written(line: &str) -> &str {
    line.rsplit('\r').find(|part| !part.is_empty()).unwrap_or_default()
}

fn skip_string(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(letter) = letters.next() {
        if letter == '\u{7}' || letter == '\u{9c}' {
            return;
        }
        if letter == '\u{1b}' && letters.next_if_eq(&'\\').is_some() {
            return;
        }
    }
}

fn flush(out: &mut Vec<Piece>, text: &mut String, look: Look) {
    if !text.is_empty() {
        out.push(Piece { class: look.class(), text: std::mem::take(text), hit: false });
    }
}

impl Look {
    fn select(&mut self, parameters: &str) {
        let mut numbers = parameters.split([';', ':']).map(|number| number.parse::<u16>().unwrap_or(0));
        while let Some(number) = numbers.next() {
            match number {
                0 => *self = Self::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                3 => self.italic = true,
                4 => self.underline = true,
                7 => self.reverse = true,
                22 => (self.bold, self.dim) = (false, false),
                23 => self.italic = false,
                24 => self.underline = false,
                27 => self.reverse = false,
                30..=37 => self.front = Some((number - 30) as u8),
                90..=97 => self.front = Some((number - 90) as u8),
                40..=47 => self.back = Some((number - 40) as u8),
                100..=107 => self.back = Some((number - 100) as u8),
                38 => self.front = wide(&mut numbers).or(self.front),
                48 => self.back = wide(&mut numbers).or(self.back),
                39 => self.front = None,
                49 => self.back = None,
                _ => {}
            }
        }
    }

    fn class(self) -> String {
        let (front, back) = if self.reverse { (self.back, self.front.or(Some(7))) } else { (self.front, self.back) };
        let mut words: Vec<String> = Vec::new();
        words.extend(front.map(|colour| format!("fg-{colour}")));
        words.extend(back.map(|colour| format!("bg-{colour}")));
        for (on, word) in [(self.bold, "bold"), (self.dim, "dim"), (self.italic, "italic"), (self.underline, "under")] {
            words.extend(on.then(|| word.to_owned()));
        }
        words.join(" ")
    }
}

/// A colour of 256 or of all, as the nearest of eight: pages keep their contrast in light and dark.
fn wide(numbers: &mut impl Iterator<Item = u16>) -> Option<u8> {
    match numbers.next()? {
        5 => Some(match numbers.next()? {
            colour @ 0..=15 => (colour % 8) as u8,
            cube @ 16..=231 => {
                let cube = cube - 16;
                nearest(cube / 36 * 51, cube / 6 % 6 * 51, cube % 6 * 51)
            }
            _ => 7,
        }),
        2 => Some(nearest(numbers.next()?, numbers.next()?, numbers.next()?)),
        _ => None,
    }
}

fn nearest(red: u16, green: u16, blue: u16) -> u8 {
    let most = red.max(green).max(blue);
    let bit = |value: u16, bit: u8| if most > 60 && u32::from(value) * 100 >= u32::from(most) * 62 { bit } else { 0 };
    bit(red, 1) | bit(green, 2) | bit(blue, 4)
}

/// Splits pieces so that each place where one of `words` (lower case) is found is a piece of its own.
pub fn mark(pieces: Vec<Piece>, words: &[String]) -> Vec<Piece> {
    if words.is_empty() {
        return pieces;
    }
    pieces.into_iter().flat_map(|piece| mark_one(piece, words)).collect()
}

fn mark_one(piece: Piece, words: &[String]) -> Vec<Piece> {
    let lower = piece.text.to_lowercase();
    // Lower case may be longer in some scripts; then places do not fit and nothing is marked.
    if lower.len() != piece.text.len() {
        return vec![piece];
    }
    let (mut out, mut at) = (Vec::new(), 0);
    let part = |range: std::ops::Range<usize>, hit| piece.text.get(range).map(|text| Piece { class: piece.class.clone(), text: text.to_owned(), hit });
    while let Some((start, length)) =
        words.iter().filter_map(|word| lower.get(at..)?.find(word.as_str()).map(|found| (at + found, word.len()))).min_by_key(|(start, _)| *start)
    {
        out.extend(part(at..start, false).filter(|piece| !piece.text.is_empty()));
        out.extend(part(start..start + length, true));
        at = start + length;
    }
    out.extend(part(at..piece.text.len(), false).filter(|piece| !piece.text.is_empty()));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(line: &str) -> Vec<(String, String)> {
        pieces(line, &mut Look::default()).into_iter().map(|piece| (piece.class, piece.text)).collect()
    }

    fn text(line: &str) -> String {
        seen(line).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn colours_and_weights_are_kept() {
        let said = |class: &str, text: &str| (class.to_owned(), text.to_owned());
        assert_eq!(seen("\u{1b}[31merr\u{1b}[0m ok\n"), [said("fg-1", "err"), said("", " ok")]);
        assert_eq!(seen("\u{1b}[1;38;5;46mx"), [said("fg-2 bold", "x")]);
        assert_eq!(seen("\u{1b}[38;2;255;20;20mx"), [said("fg-1", "x")]);
        assert_eq!(seen("\u{1b}[7mx"), [said("bg-7", "x")]);
    }

    #[test]
    fn a_look_goes_on_in_the_next_line() {
        let mut look = Look::default();
        pieces("\u{1b}[32mone", &mut look);
        assert_eq!(pieces("two", &mut look)[0].class, "fg-2");
    }

    #[test]
    fn nothing_else_a_terminal_obeys_is_left() {
        for line in [
            "\u{1b}]0;title\u{7}ok",
            "\u{1b}]8;;http://evil.example\u{1b}\\ok",
            "\u{1b}]52;c;aGFjaw==\u{7}ok",
            "\u{1b}[2J\u{1b}[1;1Hok",
            "\u{1b}P+q544e\u{1b}\\ok",
            "\u{1b}(Bok",
            "\u{0}\u{7}ok",
            "old\rok",
            "ok\r\n",
        ] {
            assert_eq!(text(line), "ok", "{line:?}");
        }
        assert_eq!(text("a\u{202e}b"), "a\u{fffd}b");
        assert_eq!(text("\u{1b}[31"), "");
    }

    #[test]
    fn what_is_searched_for_is_a_piece_of_its_own() {
        let marked = mark(pieces("An Error in ERROR", &mut Look::default()), &["error".to_owned()]);
        let hits: Vec<_> = marked.iter().map(|piece| (piece.text.as_str(), piece.hit)).collect();
        assert_eq!(hits, [("An ", false), ("Error", true), (" in ", false), ("ERROR", true)]);
    }
}
