//! Runs a template's tree over a value.

use super::functions;
use super::parse::{Base, Node, Pipe, Term};
use super::template::Missing;
use super::value::{Nil, Value};
use std::collections::HashMap;

/// How deep templates may call each other.
const CALLS: usize = 100;

/// What a template sees while it runs.
pub struct Scope<'a> {
    root: &'a Value,
    labels: Option<&'a Value>,
    missing: Missing,
    headings: bool,
    variables: Vec<(String, Value)>,
    templates: HashMap<&'a str, &'a [Node]>,
    calls: usize,
}

/// Why the nodes of a block were left.
#[derive(PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

impl<'a> Scope<'a> {
    pub fn new(root: &'a Value, labels: Option<&'a Value>, missing: Missing, headings: bool) -> Self {
        Self { root, labels, missing, headings, variables: Vec::new(), templates: HashMap::new(), calls: 0 }
    }

    /// Renders all nodes.
    pub fn run(&mut self, nodes: &'a [Node], dot: &Value, out: &mut String) -> Result<(), String> {
        self.find_templates(nodes);
        self.block(nodes, dot, out).map(drop)
    }

    fn find_templates(&mut self, nodes: &'a [Node]) {
        for node in nodes {
            if let Node::Define(name, body) = node {
                self.templates.insert(name, body);
                self.find_templates(body);
            }
        }
    }

    fn block(&mut self, nodes: &'a [Node], dot: &Value, out: &mut String) -> Result<Flow, String> {
        let known = self.variables.len();
        let mut flow = Flow::On;
        for node in nodes {
            flow = self.node(node, dot, out)?;
            if flow != Flow::On {
                break;
            }
        }
        self.variables.truncate(known);
        Ok(flow)
    }

    fn node(&mut self, node: &'a Node, dot: &Value, out: &mut String) -> Result<Flow, String> {
        match node {
            Node::Text(text) => out.push_str(text),
            Node::Define(..) => {}
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
            Node::Action(pipe) => {
                let value = self.pipe(pipe, dot)?;
                if pipe.variables.is_empty() {
                    print(value.as_ref(), out);
                }
            }
            Node::If(branches, otherwise) => {
                let known = self.variables.len();
                for (condition, body) in branches {
                    if self.pipe(condition, dot)?.is_some_and(|value| value.truth()) {
                        let flow = self.block(body, dot, out)?;
                        self.variables.truncate(known);
                        return Ok(flow);
                    }
                }
                let flow = self.block(otherwise, dot, out)?;
                self.variables.truncate(known);
                return Ok(flow);
            }
            Node::With(pipe, body, otherwise) => {
                let known = self.variables.len();
                let value = self.pipe(pipe, dot)?.unwrap_or(Value::Null);
                let flow = if value.truth() { self.block(body, &value, out)? } else { self.block(otherwise, dot, out)? };
                self.variables.truncate(known);
                return Ok(flow);
            }
            Node::Range(pipe, body, otherwise) => self.range(pipe, body, otherwise, dot, out)?,
            Node::Template(name, pipe) => {
                let body = *self.templates.get(name.as_str()).ok_or_else(|| format!("template {name:?} is not defined"))?;
                let value = pipe.as_ref().map(|pipe| self.pipe(pipe, dot)).transpose()?.flatten().unwrap_or(Value::Null);
                self.calls += 1;
                if self.calls > CALLS {
                    return Err(format!("template {name:?} calls itself without end"));
                }
                self.block(body, &value, out)?;
                self.calls -= 1;
            }
        }
        Ok(Flow::On)
    }

    fn range(&mut self, pipe: &'a Pipe, body: &'a [Node], otherwise: &'a [Node], dot: &Value, out: &mut String) -> Result<(), String> {
        let known = self.variables.len();
        let over = self.commands(pipe, dot)?.unwrap_or(Value::Null);
        let items: Vec<(Value, Value)> = match over {
            Value::List(items) => items.into_iter().enumerate().map(|(i, item)| (Value::Int(i as i128), item)).collect(),
            Value::Map(members) => Value::sorted(&members).into_iter().map(|(name, value)| (Value::text(name.clone()), value.clone())).collect(),
            Value::Int(count) => (0..count.clamp(0, 1_000_000)).map(|i| (Value::Int(i), Value::Int(i))).collect(),
            Value::Null | Value::Nil(_) => Vec::new(),
            other => return Err(format!("range can't go over {}", kind(&other))),
        };
        if items.is_empty() {
            self.block(otherwise, dot, out)?;
        }
        for (key, item) in items {
            match pipe.variables.as_slice() {
                [value] => self.set(value, item.clone(), pipe.declares)?,
                [name, value] => {
                    self.set(name, key, pipe.declares)?;
                    self.set(value, item.clone(), pipe.declares)?;
                }
                _ => {}
            }
            let flow = self.block(body, &item, out)?;
            self.variables.truncate(known);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: Value, declares: bool) -> Result<(), String> {
        if declares {
            self.variables.push((name.to_owned(), value));
            return Ok(());
        }
        let slot = self.variables.iter_mut().rev().find(|(known, _)| known == name).ok_or_else(|| format!("variable ${name} is not defined"))?;
        slot.1 = value;
        Ok(())
    }

    fn pipe(&mut self, pipe: &Pipe, dot: &Value) -> Result<Option<Value>, String> {
        let value = self.commands(pipe, dot)?;
        if let [name] = pipe.variables.as_slice() {
            self.set(name, value.clone().unwrap_or(Value::Null), pipe.declares)?;
        } else if !pipe.variables.is_empty() {
            return Err("only range sets two variables".to_owned());
        }
        Ok(value)
    }

    /// The value of a pipeline; `None` is Go's `<no value>`.
    fn commands(&mut self, pipe: &Pipe, dot: &Value) -> Result<Option<Value>, String> {
        let mut last: Option<Option<Value>> = None;
        for command in &pipe.commands {
            last = Some(self.command(command, last, dot)?);
        }
        Ok(last.flatten())
    }

    fn command(&mut self, terms: &[Term], piped: Option<Option<Value>>, dot: &Value) -> Result<Option<Value>, String> {
        let (first, rest) = terms.split_first().ok_or("a value is missing")?;
        if let (Base::Dot, [name]) = (&first.base, first.fields.as_slice())
            && name == "Label"
            && rest.len() == 1
        {
            let key = self.term(&rest[0], dot)?.unwrap_or(Value::Null);
            return Ok(Some(self.label(&key)));
        }
        let Base::Function(name) = &first.base else {
            if !rest.is_empty() || piped.is_some() {
                return Err("a value takes no arguments".to_owned());
            }
            return self.term(first, dot);
        };
        // and, or: what comes after the deciding argument is not looked at.
        if matches!(name.as_str(), "and" | "or") && piped.is_none() && !self.headings {
            let mut value = None;
            for term in rest {
                value = self.term(term, dot)?;
                if value.as_ref().is_some_and(Value::truth) == (name == "or") {
                    break;
                }
            }
            return if rest.is_empty() { Err(format!("{name} needs an argument")) } else { Ok(value) };
        }
        let mut arguments = rest.iter().map(|term| self.term(term, dot)).collect::<Result<Vec<_>, _>>()?;
        arguments.extend(piped);
        if self.headings && functions::keeps_heading(name) {
            return Ok(arguments.into_iter().flatten().find(|value| matches!(value, Value::Text(_))));
        }
        let arguments: Vec<Value> = arguments.into_iter().map(|value| value.unwrap_or(Value::Null)).collect();
        if let ("json", [row @ Value::Map(_)], Missing::Row) = (name.as_str(), arguments.as_slice(), self.missing) {
            return Ok(Some(Value::Text(row.sorted_json())));
        }
        let value = functions::call(name, arguments)?;
        self.fields(Some(value), &first.fields)
    }

    /// `.Label "a.b-c"` of a row; in the headings `b c`.
    fn label(&self, key: &Value) -> Value {
        let Value::Text(key) = key else { return Value::text("") };
        match self.labels {
            Some(labels @ Value::Map(_)) => labels.get(key).cloned().unwrap_or_else(|| Value::text("")),
            Some(Value::Null) => Value::text(key.rsplit('.').next().unwrap_or_default().replace(['-', '_'], " ")),
            _ => Value::text(""),
        }
    }

    fn term(&mut self, term: &Term, dot: &Value) -> Result<Option<Value>, String> {
        let value = match &term.base {
            Base::Dot => return self.path(dot, &term.fields),
            Base::Variable(name) if name.is_empty() => return self.path(self.root, &term.fields),
            Base::Variable(name) => self
                .variables
                .iter()
                .rev()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.clone())
                .ok_or_else(|| format!("variable ${name} is not defined"))?,
            Base::Function(name) => functions::call(name, Vec::new())?,
            Base::Nil => Value::Null,
            Base::Bool(value) => Value::Bool(*value),
            Base::Int(value) => Value::Int(*value),
            Base::Float(value) => Value::Float(*value),
            Base::Text(text) => Value::text(text.clone()),
            Base::Pipe(pipe) => match self.pipe(pipe, dot)? {
                Some(value) => value,
                None => return Ok(None),
            },
        };
        self.fields(Some(value), &term.fields)
    }

    fn fields(&self, value: Option<Value>, fields: &[String]) -> Result<Option<Value>, String> {
        match value {
            Some(value) if !fields.is_empty() => self.path(&value, fields),
            other => Ok(other),
        }
    }

    fn path(&self, from: &Value, fields: &[String]) -> Result<Option<Value>, String> {
        let mut value = from;
        let mut parent = "";
        for name in fields {
            let found = match value {
                Value::Map(_) => value.get(name),
                Value::Struct(..) => value.member(name),
                Value::Null | Value::Nil(_) if self.missing == Missing::Empty => return Ok(None),
                Value::Nil(Nil::Map) if self.missing == Missing::Inspect => return Ok(None),
                Value::Null => return Err(format!("can't take field {name} of {}, which is empty", if parent.is_empty() { "." } else { parent })),
                other => return Err(format!("can't take field {name} of {}", kind(other))),
            };
            value = match (found, self.missing) {
                (Some(found), _) => found,
                (None, Missing::Empty) => return Ok(None),
                // The names in a map are the user's: any may be missing.
                (None, Missing::Inspect) if matches!(value, Value::Map(_)) => return Ok(None),
                (None, _) => return Err(format!("there is no field {name}{}", if parent.is_empty() { String::new() } else { format!(" in {parent}") })),
            };
            parent = name;
        }
        Ok(Some(value.clone()))
    }
}

fn print(value: Option<&Value>, out: &mut String) {
    match value {
        None => out.push_str("<no value>"),
        Some(value) => value.print(out),
    }
}

/// What a value is, for messages.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Nil(_) => "an empty list or object",
        Value::Bool(_) => "true or false",
        Value::Int(_) | Value::Float(_) => "a number",
        Value::Text(_) => "a text",
        Value::List(_) => "a list",
        Value::Map(_) | Value::Struct(..) => "an object",
    }
}
