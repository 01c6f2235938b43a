//! Actions and files.

use std::task::{Context as TaskContext, Waker};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use stellar_transports::{Holding, OverBudget, Reservation};

use super::{Answer, Stop, Turn};
use crate::app::action::Call;
use crate::app::connection::Connection;
use crate::app::files::{FileBody, FileError};
use crate::app::packet::{self, as_text};
use crate::app::rates::Wish;
use crate::app::reply::Request;
use crate::app::{App, Error};
use crate::json::fields_weight;

/// Bytes waiting for a client at which its next file waits too.
const FILES_WAIT_AT: usize = 256 * 1024;

/// What a file costs, in the terms of [`Rates::costs`](crate::app::Rates::costs).
const FILE_COST: usize = 50;

/// How often an action's params are there: as values, and as what the action makes of them.
pub(crate) const PARAMS: usize = 2;

/// How long a client is asked to wait for memory.
pub(crate) const MEMORY_RETRY: Duration = Duration::from_secs(1);

impl App {
    /// Starts an action. It runs right here as far as it gets without waiting; a task is made only for the rest.
    pub(super) fn action(
        &self,
        connection: &Connection,
        params: Option<&RawValue>,
        request: &Request,
    ) -> Result<Answer, Stop> {
        self.charge(connection, Wish::Action)?;
        // Without params there is no name either: unknown action.
        let params = match params.filter(|params| params.get().starts_with('{')) {
            None => Map::new(),
            Some(params) => {
                let params = self.bounded(params)?;
                packet::bounded(params.get().as_bytes(), "params", self.options().bounds())?;
                stellar_transports::json::from_str(params.get()).map_err(|error| {
                    Error::InvalidPacket(format!("the params cannot be read ({error})"))
                })?
            }
        };
        let memory = reserve(connection, Holding::Params, PARAMS * fields_weight(&params))?;
        let call = Call {
            connection: connection.clone(),
            params,
            uploads: Vec::new(),
            number: request.number,
            memory,
        };
        let (app, connection, request) = (self.clone(), connection.clone(), request.clone());
        let mut running: BoxFuture<'static, ()> = Box::pin(async move {
            let outcome = call.run(&app).await;
            if outcome.is_silent {
                return;
            }
            let mut response = outcome.response;
            if let Some(error) = outcome.error {
                response.insert("error".into(), error.to_value(&app.options().errors));
            }
            connection.send(&request.object(&response));
        });
        // The first poll is ours; whatever it waits for is asked again by the task's own first poll.
        let mut nobody = TaskContext::from_waker(Waker::noop());
        if running.as_mut().poll(&mut nobody).is_pending() {
            self.tasks().spawn(running);
        }
        Ok(Answer::None)
    }

    pub(super) async fn file(
        &self,
        connection: &Connection,
        name: Option<&RawValue>,
        request: &Request,
        turn: Turn,
    ) -> Result<Answer, Stop> {
        turn.wait()?;
        self.charge(connection, Wish::Cost(FILE_COST))?;
        // One large answer at a time. Whoever takes nothing at all meets the write deadline.
        if let Some(spark) = connection.spark() {
            spark.outbox_below(FILES_WAIT_AT).await;
        }
        let response = self.file_response(name).await;
        Ok(Answer::Response(request.object(&response)))
    }

    async fn read_file(&self, name: &str) -> Result<FileBody, FileError> {
        let found = self.files().find(name).await?;
        self.files().read(found, self.options().max_file).await
    }

    async fn file_response(&self, name: Option<&RawValue>) -> Map<String, Value> {
        let name = name.and_then(as_text).filter(|name| !name.is_empty());
        let body = match name {
            Some(name) => self.read_file(&name).await,
            None => Err(FileError::Missing),
        };
        let body = body.map_err(|error| match error {
            FileError::Missing => Error::FileMissing,
            other => Error::FileUnreadable(other.to_string()),
        });
        let value = match body {
            Ok(body) => {
                let mut response = json!({
                    "error": null,
                    "content": body.content,
                    "mime": body.mime,
                    "length": body.length,
                });
                if let Some(encoding) = body.encoding {
                    response["encoding"] = encoding.into();
                }
                if let Some(last_modified) = body.last_modified {
                    response["lastModified"] = last_modified.into();
                }
                response
            }
            Err(error) => {
                let errors = &self.options().errors;
                json!({
                    "error": error.to_value(errors),
                    "content": null,
                    "mime": "text/html",
                    "length": error.message(errors).len(),
                })
            }
        };
        match value {
            Value::Object(response) => response,
            _ => Map::new(),
        }
    }
}

/// Takes memory for a client's request.
fn reserve(
    connection: &Connection,
    holding: Holding,
    bytes: usize,
) -> Result<Option<Reservation>, Error> {
    let Some(spark) = connection.spark() else {
        return Ok(None);
    };
    spark
        .reserve(holding, bytes)
        .map_err(|OverBudget| Error::too_many_requests(MEMORY_RETRY))
}
