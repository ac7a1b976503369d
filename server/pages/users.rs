//! `/users`: who may come in, and as what. For admins.

use crate::answer::{self, Answer};
use crate::errors::{PageError, sentence};
use crate::format::When;
use crate::frame::Frame;
use crate::urls::encode;
use crate::visit::Visit;
use actix_web::http::StatusCode;
use actix_web::web::{Form, Path};
use askama::Template;
use gantry_engine::EngineError;
use gantry_model::{Role, UserName};
use serde::Deserialize;

pub struct Row {
    name: String,
    path: String,
    role: Role,
    created: When,
    seen: Option<When>,
    you: bool,
}

#[derive(Template)]
#[template(path = "users/list.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<Row>,
    roles: [RoleView; 3],
    name: String,
    role: Role,
    error: String,
}

struct RoleView {
    role: Role,
    may: &'static str,
}

const ROLES: [RoleView; 3] = [
    RoleView { role: Role::Viewer, may: "sees everything that is not secret" },
    RoleView { role: Role::Operator, may: "also runs containers, loads images and opens terminals" },
    RoleView { role: Role::Admin, may: "also manages users, and containers that reach the host: whoever is admin owns the host" },
];

pub async fn list(visit: Visit) -> Answer {
    page(&visit, "", Role::Operator, "", StatusCode::OK).await
}

async fn page(visit: &Visit, name: &str, role: Role, error: &str, status: StatusCode) -> Answer {
    let users = visit.engine.list_users(visit.caller()).await?;
    let rows = users
        .into_iter()
        .map(|user| Row {
            path: format!("/users/{}", encode(user.name.as_str())),
            you: user.name.as_str() == visit.caller().user,
            name: user.name.to_string(),
            role: user.role,
            created: When::at(user.created_at_ms),
            seen: user.last_login_at_ms.map(When::at),
        })
        .collect();
    let frame = visit.frame("users", "Users").await.command("gantry user add NAME --role operator --password-stdin");
    answer::html_with(status, &ListPage { frame, rows, roles: ROLES, name: name.to_owned(), role, error: sentence(error) })
}

#[derive(Deserialize)]
pub struct AddForm {
    name: String,
    role: String,
    password: String,
}

fn role_of(text: &str) -> Result<Role, PageError> {
    text.parse().map_err(PageError::Invalid)
}

pub async fn add(visit: Visit, form: Form<AddForm>) -> Answer {
    let role = role_of(&form.role)?;
    let error = match form.name.trim().parse::<UserName>() {
        Err(error) => error,
        Ok(name) => match visit.engine.add_user(visit.caller(), name.clone(), role, &form.password).await {
            Ok(()) => {
                return visit.done_as("/users", format!("{name} can log in now, as {role}."), format!("gantry user add {name} --role {role} --password-stdin"));
            }
            Err(error) => error.chain(),
        },
    };
    page(&visit, &form.name, role, &error, StatusCode::UNPROCESSABLE_ENTITY).await
}

fn name_of(text: &str) -> Result<UserName, PageError> {
    text.parse().map_err(|_| PageError::Engine(EngineError::NoSuchUser(text.chars().take(64).collect())))
}

#[derive(Deserialize)]
pub struct RoleForm {
    role: String,
}

pub async fn set_role(visit: Visit, name: Path<String>, form: Form<RoleForm>) -> Answer {
    let (name, role) = (name_of(&name)?, role_of(&form.role)?);
    match visit.engine.set_role(visit.caller(), &name, role).await {
        Ok(()) => visit.done("/users", format!("{name} is {role} now.")),
        Err(error) => visit.failed("/users", sentence(&error.chain())),
    }
}

#[derive(Template)]
#[template(path = "users/password.html")]
struct PasswordPage {
    frame: Frame,
    name: String,
    path: String,
    error: String,
}

pub async fn password(visit: Visit, name: Path<String>) -> Answer {
    password_page(&visit, &name_of(&name)?, "", StatusCode::OK).await
}

async fn password_page(visit: &Visit, name: &UserName, error: &str, status: StatusCode) -> Answer {
    let frame = visit.frame("users", &format!("New password for {name}")).await.command(format!("gantry user password {name} --password-stdin"));
    answer::html_with(status, &PasswordPage { frame, name: name.to_string(), path: format!("/users/{}", encode(name.as_str())), error: sentence(error) })
}

#[derive(Deserialize)]
pub struct PasswordForm {
    password: String,
}

pub async fn set_password(visit: Visit, name: Path<String>, form: Form<PasswordForm>) -> Answer {
    let name = name_of(&name)?;
    match visit.engine.set_password(visit.caller(), &name, &form.password).await {
        Ok(()) => {
            visit.done_as("/users", format!("{name} has a new password; all their sessions ended."), format!("gantry user password {name} --password-stdin"))
        }
        Err(error) => password_page(&visit, &name, &error.chain(), StatusCode::UNPROCESSABLE_ENTITY).await,
    }
}

#[derive(Template)]
#[template(path = "users/confirm.html")]
struct ConfirmPage {
    frame: Frame,
    name: String,
    path: String,
    you: bool,
}

pub async fn confirm(visit: Visit, name: Path<String>) -> Answer {
    let name = name_of(&name)?;
    let frame = visit.frame("users", &format!("Remove {name}?")).await.command(format!("gantry user rm {name}"));
    answer::html(&ConfirmPage { frame, you: name.as_str() == visit.caller().user, path: format!("/users/{}", encode(name.as_str())), name: name.to_string() })
}

pub async fn remove(visit: Visit, name: Path<String>) -> Answer {
    let name = name_of(&name)?;
    match visit.engine.remove_user(visit.caller(), &name).await {
        Ok(()) => visit.done_as("/users", format!("{name} is removed; all their sessions ended."), format!("gantry user rm {name}")),
        Err(error) => visit.failed("/users", sentence(&error.chain())),
    }
}
