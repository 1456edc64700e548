//! The HTTP API of the fixture: reads a request, and finds the world that it is about.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::world::World;

/// All worlds by their ids.
#[derive(Default)]
pub struct Fixture(Mutex<Worlds>);

#[derive(Default)]
struct Worlds {
    count: u64,
    open: HashMap<String, Arc<World>>,
}

/// Why a request is refused.
pub struct Refused(pub StatusCode, pub String);

pub async fn answer(
    fixture: Arc<Fixture>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    // On a thread of its own: the futures of the harness cannot be sent between threads.
    let runtime = Handle::current();
    let handled = tokio::task::spawn_blocking(move || runtime.block_on(fixture.handle(request)));
    let (status, body) = match handled.await {
        Ok(Ok(body)) => (StatusCode::OK, body),
        Ok(Err(Refused(status, why))) => (status, json!({ "error": why })),
        Err(panic) => (StatusCode::INTERNAL_SERVER_ERROR, json!({ "error": panic.to_string() })),
    };
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = status;
    let json = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
    Ok(response)
}

impl Fixture {
    async fn handle(&self, request: Request<Incoming>) -> Result<Value, Refused> {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await.map_err(refused)?.to_bytes();
        let body = match body.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&body).map_err(refused)?,
        };
        let parts: Vec<_> = path.split('/').skip(1).collect();
        match parts.as_slice() {
            ["worlds"] => Ok(self.create().await),
            ["worlds", id, "close"] => {
                self.worlds().open.remove(*id);
                Ok(json!({}))
            }
            ["worlds", id, action] => {
                let world = self.worlds().open.get(*id).cloned();
                let unknown = || Refused(StatusCode::NOT_FOUND, format!("no world {id}"));
                world.ok_or_else(unknown)?.act(action, &body).await
            }
            _ => Err(Refused(StatusCode::NOT_FOUND, format!("nothing is at {path}"))),
        }
    }

    async fn create(&self) -> Value {
        let world = Arc::new(World::start().await);
        let mut worlds = self.worlds();
        worlds.count += 1;
        let id = worlds.count.to_string();
        let mut about = world.about();
        about["id"] = id.clone().into();
        worlds.open.insert(id, world);
        about
    }

    fn worlds(&self) -> MutexGuard<'_, Worlds> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refused(error: impl std::fmt::Display) -> Refused {
    Refused(StatusCode::BAD_REQUEST, error.to_string())
}

/// A member of a request that must be a text.
pub fn text<'b>(body: &'b Value, name: &str) -> Result<&'b str, Refused> {
    body[name].as_str().ok_or_else(|| refused(format!("{name} must be a text")))
}

pub fn flag(body: &Value, name: &str) -> Result<bool, Refused> {
    body[name].as_bool().ok_or_else(|| refused(format!("{name} must be true or false")))
}

pub fn number(body: &Value, name: &str) -> Result<i64, Refused> {
    body[name].as_i64().ok_or_else(|| refused(format!("{name} must be a number")))
}
