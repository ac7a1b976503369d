//! Our own endpoints on the same socket: users, jobs, the setup code, plain words.

use crate::answer::{json, no_content};
use crate::caller::Peer;
use crate::error::{ApiError, ApiResult};
use crate::query::Json;
use actix_web::HttpResponse;
use actix_web::web::{self, Data, Path, ServiceConfig};
use gantry_engine::{Engine, IsolationFact, Job as EngineJob, JobState as EngineState};
use gantry_model::{JobId, Kind, UserName};
use gantry_wire::docker::gantry::{ChangeUser, ExplainedFact, ExplainedPart, Explanation, Job, JobState, MadeToken, NewToken, NewUser, Setup, Token, User};

pub fn configure(app: &mut ServiceConfig) {
    app.route("/gantry/setup", web::get().to(setup));
    app.route("/gantry/users", web::get().to(users));
    app.route("/gantry/users", web::post().to(add_user));
    app.route("/gantry/users/{name}", web::post().to(change_user));
    app.route("/gantry/users/{name}", web::delete().to(remove_user));
    app.route("/gantry/tokens", web::get().to(tokens));
    app.route("/gantry/tokens", web::post().to(create_token));
    app.route("/gantry/tokens/{name}", web::delete().to(remove_token));
    app.route("/gantry/jobs", web::get().to(jobs));
    app.route("/gantry/jobs/{id}", web::get().to(job));
    app.route("/gantry/jobs/{id}/cancel", web::post().to(cancel_job));
    app.route("/gantry/containers/{id}/explain", web::get().to(explain));
}

async fn setup(engine: Data<Engine>, Peer(caller): Peer) -> ApiResult {
    Ok(json(&Setup { code: engine.setup_code(&caller).await? }))
}

async fn users(engine: Data<Engine>, Peer(caller): Peer) -> ApiResult {
    let rows = engine.list_users(&caller).await?.into_iter().map(|user| User {
        name: user.name,
        role: user.role,
        created_at_ms: user.created_at_ms,
        last_login_at_ms: user.last_login_at_ms,
        disabled: user.disabled,
    });
    Ok(json(&rows.collect::<Vec<_>>()))
}

async fn add_user(engine: Data<Engine>, Peer(caller): Peer, Json(user): Json<NewUser>) -> ApiResult {
    engine.add_user(&caller, user.name, user.role, &user.password).await?;
    Ok(HttpResponse::Created().finish())
}

fn user_name(text: &str) -> ApiResult<UserName> {
    text.parse().map_err(|error: String| ApiError::invalid(error))
}

async fn change_user(engine: Data<Engine>, Peer(caller): Peer, name: Path<String>, Json(change): Json<ChangeUser>) -> ApiResult {
    let name = user_name(&name)?;
    if let Some(role) = change.role {
        engine.set_role(&caller, &name, role).await?;
    }
    if let Some(password) = &change.password {
        engine.set_password(&caller, &name, password).await?;
    }
    Ok(no_content())
}

async fn remove_user(engine: Data<Engine>, Peer(caller): Peer, name: Path<String>) -> ApiResult {
    engine.remove_user(&caller, &user_name(&name)?).await?;
    Ok(no_content())
}

async fn tokens(engine: Data<Engine>, Peer(caller): Peer) -> ApiResult {
    let rows = engine.tokens(&caller).await?.into_iter().map(|token| Token {
        name: token.name,
        role: token.role,
        owner: token.owner,
        created_at_ms: token.created_at_ms,
        expires_at_ms: token.expires_at_ms,
        last_used_at_ms: token.last_used_at_ms,
    });
    Ok(json(&rows.collect::<Vec<_>>()))
}

async fn create_token(engine: Data<Engine>, Peer(caller): Peer, Json(asked): Json<NewToken>) -> ApiResult {
    let token = engine.create_token(&caller, asked.name, asked.role, asked.expires_at_ms).await?;
    Ok(HttpResponse::Created().json(MadeToken { token }))
}

async fn remove_token(engine: Data<Engine>, Peer(caller): Peer, name: Path<String>) -> ApiResult {
    let name = name.parse().map_err(|error: String| ApiError::invalid(error))?;
    engine.remove_token(&caller, &name).await?;
    Ok(no_content())
}

async fn jobs(engine: Data<Engine>, Peer(caller): Peer) -> ApiResult {
    let mut jobs: Vec<Job> = engine.jobs(&caller).await?.into_iter().map(show).collect();
    jobs.sort_by_key(|job| std::cmp::Reverse(job.started_at_ms));
    Ok(json(&jobs))
}

fn job_id(text: &str) -> ApiResult<JobId> {
    text.parse().map_err(|_| ApiError::new(Kind::NotFound, format!("no such job: {}", text.chars().take(80).collect::<String>())))
}

async fn job(engine: Data<Engine>, Peer(caller): Peer, id: Path<String>) -> ApiResult {
    Ok(json(&show(engine.job(&caller, &job_id(&id)?).await?)))
}

async fn cancel_job(engine: Data<Engine>, Peer(caller): Peer, id: Path<String>) -> ApiResult {
    engine.cancel_job(&caller, &job_id(&id)?).await?;
    Ok(no_content())
}

fn show(job: EngineJob) -> Job {
    let (state, error) = match job.state {
        EngineState::Running => (JobState::Running, String::new()),
        EngineState::Done => (JobState::Done, String::new()),
        EngineState::Failed(why) => (JobState::Failed, why),
        EngineState::Cancelled => (JobState::Cancelled, String::new()),
    };
    Job {
        id: job.id,
        kind: job.kind.as_str().to_owned(),
        title: job.title,
        state,
        error,
        asked_by: job.asked_by,
        started_at_ms: job.started_at_ms,
        finished_at_ms: job.finished_at_ms,
        progress: job.progress,
        output: job.output.into_iter().map(|line| line.id.map_or(line.text.clone(), |id| format!("{id}: {}", line.text))).collect(),
        results: job.results,
    }
}

async fn explain(engine: Data<Engine>, Peer(caller): Peer, id: Path<String>) -> ApiResult {
    let command_line = engine.container(&caller, &id).await?.command_line;
    let isolation = engine.isolation(&caller, &id).await?;
    let part = |title: &str, facts: Vec<IsolationFact>| ExplainedPart { title: title.to_owned(), facts: facts.into_iter().map(fact).collect() };
    Ok(json(&Explanation {
        command_line,
        parts: vec![
            part("namespaces", isolation.namespaces),
            part("limits", isolation.limits),
            part("capabilities", isolation.capabilities),
            part("seccomp", isolation.seccomp),
            part("paths", isolation.paths),
        ],
        warnings: isolation.warnings,
    }))
}

fn fact(fact: IsolationFact) -> ExplainedFact {
    ExplainedFact { name: fact.name, value: fact.value, meaning: fact.meaning, strong: fact.strong }
}
