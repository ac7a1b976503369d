//! `/account`: one's own password.

use crate::answer::{self, Answer};
use crate::errors::{PageError, sentence};
use crate::frame::Frame;
use crate::visit::{Note, Visit};
use crate::{login, session};
use actix_web::http::StatusCode;
use actix_web::web::Form;
use askama::Template;
use gantry_engine::LoginError;
use gantry_model::{Role, UserName};
use serde::Deserialize;

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    name: String,
    role: Role,
    error: String,
}

pub async fn show(visit: Visit) -> Answer {
    page(&visit, "", StatusCode::OK).await
}

async fn page(visit: &Visit, error: &str, status: StatusCode) -> Answer {
    let caller = visit.caller();
    let frame = visit.frame("account", "Your account").await.command(format!("gantry user password {} --password-stdin", caller.user));
    answer::html_with(status, &AccountPage { frame, name: caller.user.clone(), role: caller.role, error: sentence(error) })
}

#[derive(Deserialize)]
pub struct PasswordForm {
    current: String,
    password: String,
    again: String,
}

/// Whoever finds an open browser does not know the password: it is asked for again, under the limits of a login.
pub async fn set_password(visit: Visit, form: Form<PasswordForm>) -> Answer {
    if form.password != form.again {
        return page(&visit, "the two new passwords differ", StatusCode::UNPROCESSABLE_ENTITY).await;
    }
    let (user, guest) = (visit.caller().user.clone(), &visit.guest);
    let proved = match visit.engine.log_in(&user, &form.current, guest.address, &guest.user_agent).await {
        Ok(proved) => proved,
        Err(LoginError::Wrong) => return page(&visit, "the current password is wrong", StatusCode::UNPROCESSABLE_ENTITY).await,
        Err(error) => return page(&visit, &error.to_string(), login::status_of(&error)).await,
    };
    let name: UserName = user.parse().map_err(PageError::Invalid)?;
    if let Err(error) = visit.engine.set_password(visit.caller(), &name, &form.password).await {
        visit.engine.log_out(&proved.token).await?;
        return page(&visit, &error.chain(), StatusCode::UNPROCESSABLE_ENTITY).await;
    }
    // All sessions ended; this browser gets a new one.
    let new = visit.engine.log_in(&user, &form.password, guest.address, &guest.user_agent).await.map_err(|error| PageError::Invalid(error.to_string()))?;
    let note = Note { good: true, text: "Your password is changed; you are logged out everywhere else.".to_owned(), command: String::new() };
    let mut response = answer::with_note(&visit.request, "/account", &note);
    // Fails only for a cookie that is no header value; a token is hex.
    let _ = response.add_cookie(&session::session_cookie(&visit.request, &new.token));
    Ok(response)
}
