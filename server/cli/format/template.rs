//! Go's text/template as far as docker users need it: parsed once, rendered for each row.

use super::eval::Scope;
use super::parse::{self, Node};
use super::shapes::Shape;
use super::value::Value;
use crate::failure::Failure;

/// A parsed template.
pub struct Template {
    nodes: Vec<Node>,
    headings: bool,
}

/// What a field that is not there means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// A slip of the pen: an error that names the field.
    Error,
    /// The same, in a row of a list.
    Row,
    /// Prints `<no value>`.
    Empty,
    /// As `docker inspect`: maps may lack it, for structs it is an error.
    Inspect,
}

impl Template {
    /// # Errors
    /// Says why the template can't be understood.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let nodes = parse::parse(text)
            .map_err(|error| Failure::new(format!("template parsing error: {error}")).hint("a template looks like '{{.Name}}: {{json .State}}'"))?;
        Ok(Self { nodes, headings: false })
    }

    /// The same template for the line of headings: functions leave their argument as it is.
    pub fn headings(mut self) -> Self {
        self.headings = true;
        self
    }

    /// Renders an object of the server as docker does: as what its Go type is, and where the template asks for more than that, as the JSON it is.
    pub fn render_object(&self, json: &Value, shape: Shape, out: &mut String) -> Result<(), Failure> {
        let mut typed = String::new();
        if self.render(&shape.of(Some(json)), None, Missing::Inspect, &mut typed).is_err() {
            return self.render(json, None, Missing::Error, out);
        }
        out.push_str(&typed);
        Ok(())
    }

    /// Renders with `dot` as the value of `.`.
    pub fn render(&self, dot: &Value, labels: Option<&Value>, missing: Missing, out: &mut String) -> Result<(), Failure> {
        Scope::new(dot, labels, missing, self.headings).run(&self.nodes, dot, out).map_err(|error| Failure::new(format!("template error: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::shapes;
    use super::*;

    fn render(template: &str, json: &str) -> Result<String, Failure> {
        let value: Value = serde_json::from_str(json).expect(json);
        let mut out = String::new();
        Template::parse(template)?.render_object(&value, shapes::CONTAINER, &mut out)?;
        Ok(out)
    }

    fn check(template: &str, json: &str, want: &str) {
        assert_eq!(render(template, json).expect(template), want, "{template}");
    }

    const WEB: &str = r#"{"Name":"/web","State":{"Running":true,"Pid":42},"Args":["a","b"],"Config":{"Labels":{"x.y":"1","k":"v"},"Env":null},
        "NetworkSettings":{"Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}],"90/udp":null}}}"#;

    #[test]
    fn fields_pipelines_and_functions() {
        check("{{.Name}} {{.State.Running}} {{ .State.Pid }}", WEB, "/web true 42");
        check("{{json .Args}} {{.Args | json}} {{join .Args \", \"}} {{len .Args}}", WEB, "[\"a\",\"b\"] [\"a\",\"b\"] a, b 2");
        check("{{upper .Name}}{{lower \"AB\"}}{{title \"web one\"}}", WEB, "/WEBabWeb One");
        check("{{index .Config.Labels \"x.y\"}}|{{index .Config.Labels \"none\"}}|{{index .Args 1}}", WEB, "1||b");
        check("{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}}", WEB, "8080");
        check("{{range split \"a,b\" \",\"}}[{{.}}]{{end}}", WEB, "[a][b]");
        check("{{printf \"%s-%03d %q %v%%|%-4s|%5.1f\" .Name .State.Pid \"x\" .Args \"ab\" 2.25}}", WEB, "/web-042 \"x\" [a b]%|ab  |  2.2");
        check("{{println 1 2}}{{print \"a\" 1 2 \"b\"}}", WEB, "1 2\na1 2b");
        check("{{slice .Name 1}} {{slice .Name 1 3}} {{pad \"x\" 1 2}}| {{truncate \"abcdef\" 3}}", WEB, "web we  x  | abc");
        check("{{.Config.Env}} {{.Config.Labels}} {{.Args}}", WEB, "[] map[k:v x.y:1] [a b]");
    }

    #[test]
    fn branches_loops_and_variables() {
        check("{{if .State.Running}}up{{else}}down{{end}}", WEB, "up");
        check("{{if not .State.Running}}a{{else if eq .State.Pid 42}}b{{else}}c{{end}}", WEB, "b");
        check("{{range $i, $a := .Args}}{{$i}}={{$a}};{{end}}", WEB, "0=a;1=b;");
        check("{{range $k, $v := .Config.Labels}}{{$k}}={{$v}} {{end}}", WEB, "k=v x.y=1 ");
        check("{{range .Config.Env}}x{{else}}none{{end}}", WEB, "none");
        check("{{with .Args}}{{len .}}{{end}}{{with .Config.Env}}x{{else}}-{{end}}", WEB, "2-");
        check("{{$x := .State.Pid}}{{range .Args}}{{$x}}{{$.Name}}{{$x = 7}}{{end}}{{$x}}", WEB, "42/web7/web7");
        check("{{range .Args}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}", WEB, "a");
        check("{{range .Args}}{{if eq . \"a\"}}{{continue}}{{end}}{{.}}{{end}}", WEB, "b");
        check("{{and .State.Running 0}} {{or 0 \"x\"}} {{and 1 2}} {{ne 1 2}} {{lt 1 2}} {{ge \"b\" \"a\"}} {{eq 1 3 1}}", WEB, "0 x 2 true true true true");
        check("a  {{- /* note */ -}}  b {{- 1}} {{\"q\\t\\\"\"}}{{`raw`}}{{'a'}}", WEB, "ab1 q\t\"raw97");
        check("{{range $p, $c := .NetworkSettings.Ports}}{{$p}}->{{range $c}}{{.HostPort}}{{end}} {{end}}", WEB, "80/tcp->8080 90/udp-> ");
        check("{{define \"t\"}}<{{.}}>{{end}}{{template \"t\" .Name}}", WEB, "</web>");
    }

    #[test]
    fn what_is_missing_is_told_apart_from_what_may_be() {
        check("{{.Config.Labels.none}}", WEB, "<no value>");
        check("{{if .State.Health}}h{{else}}no{{end}}", WEB, "no");
        let error = render("{{.State.Bogus}}", WEB).expect_err("a wrong field");
        assert!(error.message.contains("Bogus"), "{error}");
        for bad in ["{{", "{{.}", "{{if .X}}", "{{end}}", "{{nofunc 1}}", "{{.A | }}", "{{else}}", "{{$u}}", "{{\"x}}", "{{range}}{{end}}", "{{(.A}}"] {
            assert!(render(bad, WEB).is_err(), "{bad}");
        }
        for bad in
            ["{{index .Args 5}}", "{{index .Args \"x\"}}", "{{.Name.First}}", "{{len 3}}", "{{template \"none\"}}", "{{slice .Name 3 1}}", "{{slice .Name 99}}"]
        {
            assert!(render(bad, WEB).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_template_that_calls_itself_ends_with_an_error() {
        assert!(render("{{define \"t\"}}{{template \"t\"}}{{end}}{{template \"t\"}}", WEB).is_err());
        assert!(render(&"{{if 1}}".repeat(5000), WEB).is_err());
        assert!(render(&format!("{{{{{}1{}}}}}", "(".repeat(5000), ")".repeat(5000)), WEB).is_err());
    }
}
