//! Merges what a user asked for with the image's defaults into the process that runs.
//! Source: Docker Engine API, `ContainerConfig`; an entrypoint given by the user drops the image's command.

/// Defaults of an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageDefaults {
    pub entrypoint: Vec<String>,
    pub cmd: Vec<String>,
    pub env: Vec<String>,
    pub working_dir: String,
    pub user: String,
}

/// The process as it is executed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FinalProcess {
    pub args: Vec<String>,
    pub env: Vec<String>,
    pub cwd: String,
    pub user: String,
}

const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why there is no process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProcessError {
    #[error("No command specified")]
    NoCommand,
    #[error("the working directory '{0}' is invalid, it needs to be an absolute path")]
    RelativeFolder(String),
}

/// Merges the wish with the image. `hostname` and `tty` give the variables docker sets.
pub fn merge(wish: &gantry_model::ContainerSpec, image: &ImageDefaults, hostname: &str) -> Result<FinalProcess, ProcessError> {
    let (entrypoint, cmd) = match (&wish.entrypoint, &wish.cmd) {
        (Some(entrypoint), cmd) => (entrypoint.clone(), cmd.clone().unwrap_or_default()),
        (None, Some(cmd)) if !cmd.is_empty() => (image.entrypoint.clone(), cmd.clone()),
        (None, _) => (image.entrypoint.clone(), image.cmd.clone()),
    };
    // `--entrypoint ""` resets the image's; docker sends one empty word.
    let args: Vec<String> = entrypoint.into_iter().filter(|word| !word.is_empty()).chain(cmd).collect();
    if args.is_empty() {
        return Err(ProcessError::NoCommand);
    }
    let cwd = [&wish.working_dir, &image.working_dir].into_iter().find(|folder| !folder.is_empty()).map_or("/", String::as_str);
    if !cwd.starts_with('/') {
        return Err(ProcessError::RelativeFolder(cwd.to_owned()));
    }
    let user = if wish.user.is_empty() { &image.user } else { &wish.user };
    Ok(FinalProcess { args, env: environment(wish, image, hostname), cwd: cwd.to_owned(), user: user.clone() })
}

fn environment(wish: &gantry_model::ContainerSpec, image: &ImageDefaults, hostname: &str) -> Vec<String> {
    let mut env = vec![DEFAULT_PATH.to_owned(), format!("HOSTNAME={hostname}")];
    if wish.tty {
        env.push("TERM=xterm".to_owned());
    }
    for entry in &configured(&wish.env, &image.env) {
        set(&mut env, entry);
    }
    // What was taken away may be one of those above.
    wish.env.iter().filter(|entry| !entry.contains('=')).for_each(|entry| set(&mut env, entry));
    env
}

/// What a user gave, then what of the image's no one of those names; `NAME` alone takes one away. The order is docker's.
pub fn configured(given: &[String], of_image: &[String]) -> Vec<String> {
    let name = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
    let mut env = Vec::new();
    given.iter().for_each(|entry| set(&mut env, entry));
    let left = of_image.iter().filter(|entry| !given.iter().any(|own| name(own) == name(entry)));
    env.extend(left.cloned());
    env
}

/// Sets `NAME=value`, in place if the name is there; `NAME` alone removes it.
pub fn set(env: &mut Vec<String>, entry: &str) {
    let name = entry.split('=').next().unwrap_or(entry);
    let at = env.iter().position(|known| known.split('=').next() == Some(name));
    match (at, entry.contains('=')) {
        (Some(at), true) => entry.clone_into(&mut env[at]),
        (Some(at), false) => drop(env.remove(at)),
        (None, true) => env.push(entry.to_owned()),
        (None, false) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_model::ContainerSpec;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn args(entrypoint: Option<&str>, cmd: Option<&str>) -> Result<String, ProcessError> {
        let image = ImageDefaults { entrypoint: words("entry -x"), cmd: words("serve"), ..ImageDefaults::default() };
        let wish = ContainerSpec { entrypoint: entrypoint.map(words), cmd: cmd.map(words), ..ContainerSpec::default() };
        merge(&wish, &image, "host").map(|process| process.args.join(" "))
    }

    #[test]
    fn an_own_entrypoint_drops_the_images_command() {
        assert_eq!(args(None, None).as_deref(), Ok("entry -x serve"));
        assert_eq!(args(None, Some("other")).as_deref(), Ok("entry -x other"));
        assert_eq!(args(Some("sh"), None).as_deref(), Ok("sh"));
        assert_eq!(args(Some("sh"), Some("-c ls")).as_deref(), Ok("sh -c ls"));
    }

    #[test]
    fn a_container_without_any_command_is_refused_with_advice() {
        assert_eq!(merge(&ContainerSpec::default(), &ImageDefaults::default(), "h"), Err(ProcessError::NoCommand));
    }

    #[test]
    fn variables_of_the_user_replace_and_remove_those_of_the_image() {
        let image = ImageDefaults { cmd: words("sh"), env: words("A=1 B=2"), ..ImageDefaults::default() };
        let wish = ContainerSpec { env: words("A=3 B"), tty: true, ..ContainerSpec::default() };
        let process = merge(&wish, &image, "web").expect("has a command");
        assert_eq!(process.env, [DEFAULT_PATH, "HOSTNAME=web", "TERM=xterm", "A=3"]);
    }
}
