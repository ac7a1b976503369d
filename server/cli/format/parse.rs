//! From the text of a template to its tree. Source: Go, `text/template/parse`.

/// A piece of a template.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    Text(String),
    /// Prints its value, unless it sets a variable.
    Action(Pipe),
    If(Vec<(Pipe, Vec<Node>)>, Vec<Node>),
    Range(Pipe, Vec<Node>, Vec<Node>),
    With(Pipe, Vec<Node>, Vec<Node>),
    Define(String, Vec<Node>),
    Template(String, Option<Pipe>),
    Break,
    Continue,
}

/// `$a, $b := x | f y`.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipe {
    pub variables: Vec<String>,
    /// `:=` makes the variables, `=` sets them.
    pub declares: bool,
    /// Each a function or value with its arguments.
    pub commands: Vec<Vec<Term>>,
}

/// An operand, and the fields taken from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    pub base: Base,
    pub fields: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Base {
    Dot,
    Variable(String),
    Function(String),
    Nil,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    Pipe(Box<Pipe>),
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    /// `.Name`, or "" for a lone dot; true when it follows its operand without a space.
    Field(String, bool),
    Variable(String),
    Literal(Base),
    Sign(char),
    /// `:=`
    Declare,
}

/// Depth of nesting that is read; nobody writes more, and each level costs stack.
const DEPTH: usize = 100;

/// Parses a whole template.
pub fn parse(text: &str) -> Result<Vec<Node>, String> {
    let mut parser = Parser { pieces: cut(text)?, at: 0, depth: 0 };
    let (nodes, end) = parser.block()?;
    match end {
        None => Ok(nodes),
        Some(word) => Err(format!("unexpected {{{{{word}}}}}")),
    }
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Action(Vec<Token>),
}

/// Cuts text and actions apart, and trims at `{{-` and `-}}`.
fn cut(mut rest: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut trim = false;
    while !rest.is_empty() {
        let (text, after) = rest.split_once("{{").map_or((rest, None), |(text, after)| (text, Some(after)));
        let text = if trim { text.trim_start() } else { text };
        let Some(after) = after else {
            pieces.push(Piece::Text(text.to_owned()));
            break;
        };
        let trims_left = after.starts_with("- ") || after.starts_with("-\n") || after.starts_with("-\t");
        pieces.push(Piece::Text(if trims_left { text.trim_end().to_owned() } else { text.to_owned() }));
        let body = if trims_left { &after[1..] } else { after };
        let (tokens, used) = tokens(body)?;
        pieces.push(Piece::Action(tokens));
        let left = &body[used..];
        trim = left.starts_with('-');
        rest = &left[usize::from(trim) + 2..];
    }
    Ok(pieces)
}

/// Reads an action up to its `}}` or ` -}}`; returns the tokens and where the end stands.
fn tokens(body: &str) -> Result<(Vec<Token>, usize), String> {
    let mut tokens = Vec::new();
    let mut at = 0;
    let mut spaced = true;
    loop {
        let rest = &body[at..];
        let Some(c) = rest.chars().next() else { return Err("an action lacks its }}".to_owned()) };
        if rest.starts_with("}}") || (spaced && rest.starts_with("-}}")) {
            return Ok((tokens, at));
        }
        if rest.starts_with("/*") {
            at += rest.find("*/").ok_or("a comment lacks its */")? + 2;
            spaced = true;
            continue;
        }
        let was_spaced = std::mem::replace(&mut spaced, c.is_whitespace());
        let word = |from: usize| from + rest[from..].find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len() - from);
        let (token, used) = match c {
            c if c.is_whitespace() => (None, c.len_utf8()),
            '"' | '\'' | '`' => {
                let (literal, used) = literal(rest, c)?;
                (Some(Token::Literal(literal)), used)
            }
            '.' => (Some(Token::Field(rest[1..word(1)].to_owned(), !was_spaced)), word(1)),
            '$' => (Some(Token::Variable(rest[1..word(1)].to_owned())), word(1)),
            ':' if rest.starts_with(":=") => (Some(Token::Declare), 2),
            '=' | '|' | '(' | ')' | ',' => (Some(Token::Sign(c)), 1),
            c if c.is_ascii_digit() || ((c == '-' || c == '+') && rest[1..].starts_with(|c: char| c.is_ascii_digit())) => {
                let used = 1 + rest[1..].find(|c: char| !(c.is_alphanumeric() || c == '.' || c == '_')).unwrap_or(rest.len() - 1);
                (Some(Token::Literal(number(&rest[..used])?)), used)
            }
            c if c.is_alphabetic() || c == '_' => (Some(Token::Word(rest[..word(0)].to_owned())), word(0)),
            c => return Err(format!("unexpected {c:?} in an action")),
        };
        tokens.extend(token);
        at += used;
    }
}

fn number(text: &str) -> Result<Base, String> {
    let plain = text.replace('_', "");
    let parsed = match plain.strip_prefix("0x") {
        Some(hex) => i128::from_str_radix(hex, 16).ok().map(Base::Int),
        None => plain.parse().ok().map(Base::Int).or_else(|| plain.parse().ok().map(Base::Float)),
    };
    parsed.ok_or_else(|| format!("bad number {text:?}"))
}

/// A quoted text, raw text or character at the start of `rest`, and its length.
fn literal(rest: &str, mark: char) -> Result<(Base, usize), String> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == mark => {
                let base = if mark == '\'' { Base::Int(text.chars().next().map_or(0, |c| c as i128)) } else { Base::Text(text) };
                return Ok((base, at + 1));
            }
            '\\' if mark != '`' => match chars.next().map(|(_, c)| c) {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => text.push('\r'),
                Some(c @ ('\\' | '"' | '\'')) => text.push(c),
                Some(c @ ('x' | 'u')) => {
                    let digits: String = chars.by_ref().take(if c == 'x' { 2 } else { 4 }).map(|(_, c)| c).collect();
                    text.push(u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32).ok_or_else(|| format!("bad escape \\{c}{digits}"))?);
                }
                other => return Err(format!("bad escape \\{}", other.map(String::from).unwrap_or_default())),
            },
            '\n' if mark != '`' => break,
            c => text.push(c),
        }
    }
    Err(format!("a text lacks its closing {mark}"))
}

struct Parser {
    pieces: Vec<Piece>,
    at: usize,
    depth: usize,
}

impl Parser {
    /// Nodes up to the end, or up to an `end` or `else`, which is returned with what follows the word `else`.
    fn block(&mut self) -> Result<(Vec<Node>, Option<String>), String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("nested too deeply".to_owned());
        }
        let mut nodes = Vec::new();
        while self.at < self.pieces.len() {
            self.at += 1;
            let tokens = match &self.pieces[self.at - 1] {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text.clone()));
                    continue;
                }
                Piece::Action(tokens) => tokens.clone(),
            };
            let Some(first) = tokens.first() else { continue };
            let word = if let Token::Word(word) = first { word.as_str() } else { "" };
            match word {
                "end" | "else" => {
                    self.depth -= 1;
                    if word == "else" && tokens.len() > 1 {
                        // `else if`: the condition is read again by who opened the block.
                        self.at -= 1;
                        return Ok((nodes, Some("else if".to_owned())));
                    }
                    return Ok((nodes, Some(word.to_owned())));
                }
                "if" => {
                    let node = self.branches(&tokens[1..])?;
                    nodes.push(node);
                }
                "range" | "with" => {
                    let pipe = pipe_of(&tokens[1..])?;
                    let (body, otherwise) = self.body_and_else(word)?;
                    nodes.push(if word == "range" { Node::Range(pipe, body, otherwise) } else { Node::With(pipe, body, otherwise) });
                }
                "define" | "block" => {
                    let Some(Token::Literal(Base::Text(name))) = tokens.get(1) else { return Err(format!("{word} needs a name in quotes")) };
                    let (body, _) = self.body_and_else(word)?;
                    nodes.push(Node::Define(name.clone(), body));
                    if word == "block" {
                        nodes.push(Node::Template(name.clone(), Some(pipe_of(&tokens[2..])?)));
                    }
                }
                "template" => {
                    let Some(Token::Literal(Base::Text(name))) = tokens.get(1) else { return Err("template needs a name in quotes".to_owned()) };
                    let pipe = if tokens.len() > 2 { Some(pipe_of(&tokens[2..])?) } else { None };
                    nodes.push(Node::Template(name.clone(), pipe));
                }
                "break" => nodes.push(Node::Break),
                "continue" => nodes.push(Node::Continue),
                _ => nodes.push(Node::Action(pipe_of(&tokens)?)),
            }
        }
        self.depth -= 1;
        Ok((nodes, None))
    }

    fn branches(&mut self, condition: &[Token]) -> Result<Node, String> {
        let mut branches = Vec::new();
        let mut condition = pipe_of(condition)?;
        loop {
            let (body, end) = self.block()?;
            branches.push((condition, body));
            match end.as_deref() {
                Some("end") => return Ok(Node::If(branches, Vec::new())),
                Some("else") => {
                    let (otherwise, end) = self.block()?;
                    return if end.as_deref() == Some("end") { Ok(Node::If(branches, otherwise)) } else { Err("an if lacks its {{end}}".to_owned()) };
                }
                Some(_) => {
                    let Piece::Action(tokens) = &self.pieces[self.at] else { return Err("an else is wrong".to_owned()) };
                    if tokens.get(1) != Some(&Token::Word("if".to_owned())) {
                        return Err("only if may follow else".to_owned());
                    }
                    condition = pipe_of(&tokens[2..])?;
                    self.at += 1;
                }
                None => return Err("an if lacks its {{end}}".to_owned()),
            }
        }
    }

    fn body_and_else(&mut self, word: &str) -> Result<(Vec<Node>, Vec<Node>), String> {
        let (body, end) = self.block()?;
        match end.as_deref() {
            Some("end") => Ok((body, Vec::new())),
            Some("else") => match self.block()? {
                (otherwise, Some(end)) if end == "end" => Ok((body, otherwise)),
                _ => Err(format!("a {word} lacks its {{{{end}}}}")),
            },
            _ => Err(format!("a {word} lacks its {{{{end}}}}")),
        }
    }
}

fn pipe_of(tokens: &[Token]) -> Result<Pipe, String> {
    let mut at = 0;
    let pipe = pipe(tokens, &mut at, 0)?;
    if at == tokens.len() { Ok(pipe) } else { Err("unexpected )".to_owned()) }
}

/// A pipeline up to the end or a closing parenthesis.
fn pipe(tokens: &[Token], at: &mut usize, depth: usize) -> Result<Pipe, String> {
    if depth > DEPTH {
        return Err("nested too deeply".to_owned());
    }
    let mut pipe = Pipe { variables: Vec::new(), declares: false, commands: vec![Vec::new()] };
    let rest = &tokens[*at..];
    let (names, sign) = match rest {
        [Token::Variable(a), sign @ (Token::Declare | Token::Sign('=')), ..] => (vec![a.clone()], Some(sign)),
        [Token::Variable(a), Token::Sign(','), Token::Variable(b), sign @ (Token::Declare | Token::Sign('=')), ..] => (vec![a.clone(), b.clone()], Some(sign)),
        _ => (Vec::new(), None),
    };
    if let Some(sign) = sign {
        *at += names.len() * 2;
        pipe.declares = *sign == Token::Declare;
        pipe.variables = names;
    }
    while let Some(token) = tokens.get(*at) {
        if *token == Token::Sign(')') {
            break;
        }
        *at += 1;
        let command = pipe.commands.last_mut().expect("begins with one");
        let base = match token {
            Token::Sign('|') => {
                if command.is_empty() {
                    return Err("nothing stands before |".to_owned());
                }
                pipe.commands.push(Vec::new());
                continue;
            }
            Token::Sign('(') => {
                let inner = self::pipe(tokens, at, depth + 1)?;
                if tokens.get(*at) != Some(&Token::Sign(')')) {
                    return Err("a ( lacks its )".to_owned());
                }
                *at += 1;
                Base::Pipe(Box::new(inner))
            }
            Token::Field(name, true) if !name.is_empty() && !command.is_empty() => {
                command.last_mut().expect("not empty").fields.push(name.clone());
                continue;
            }
            Token::Field(name, _) => {
                let fields = if name.is_empty() { Vec::new() } else { vec![name.clone()] };
                command.push(Term { base: Base::Dot, fields });
                continue;
            }
            Token::Word(word) => match word.as_str() {
                "true" => Base::Bool(true),
                "false" => Base::Bool(false),
                "nil" => Base::Nil,
                name if super::functions::exists(name) => Base::Function(name.to_owned()),
                name => return Err(format!("function {name:?} is not known")),
            },
            Token::Variable(name) => Base::Variable(name.clone()),
            Token::Literal(base) => base.clone(),
            Token::Sign(c) => return Err(format!("unexpected {c:?}")),
            Token::Declare => return Err("unexpected :=".to_owned()),
        };
        command.push(Term { base, fields: Vec::new() });
    }
    if pipe.commands.last().is_some_and(Vec::is_empty) {
        return Err("a value is missing".to_owned());
    }
    Ok(pipe)
}
