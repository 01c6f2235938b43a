//! What types alone do not say of a configuration.

use super::{Config, ConfigError, words};
use crate::app;

impl Config {
    /// Checks what types alone do not.
    ///
    /// # Errors
    ///
    /// One line that names the mistake and the fix.
    pub fn check(&self) -> Result<(), ConfigError> {
        check_transports(&self.transport)?;
        self.check_values()
    }

    /// As [`check`](Self::check), but for the transports.
    pub(crate) fn check_values(&self) -> Result<(), ConfigError> {
        let fault = |text: String| Err(ConfigError::Value(text));
        if self.tls.cert.is_some() != self.tls.key.is_some() {
            return fault(
                "TLS needs both a certificate and a key: give --tls-cert and --tls-key".into(),
            );
        }
        if self.tls.ticket_key.is_some() && self.tls.cert.is_none() {
            return fault("tls.ticket_key is for HTTPS: it needs tls.cert and tls.key".into());
        }
        if let Some(public) = self.public.as_ref().filter(|public| !public.is_dir()) {
            return fault(format!(
                "the public folder {} is not a folder: create it or give another --public",
                public.display()
            ));
        }
        words::check_bounds(self)?;
        self.rates.check()?;
        let mut refused = self.general.refused_verbs.iter();
        if let Some(unknown) = refused.find(|verb| !app::verbs::is_verb(verb)) {
            return fault(format!(
                "general.refused_verbs lists `{unknown}`, which is no verb"
            ));
        }
        self.check_texts()?;
        self.check_doors()?;
        self.check_transport_sections()?;
        self.origins()?;
        #[cfg(feature = "ws")]
        {
            let mut names = self.access.subprotocols.iter();
            if let Some(name) = names.find(|name| !stellar_transports::is_subprotocol(name)) {
                return fault(format!(
                    "access.subprotocols lists `{name}`, which is no name as RFC 6455 has them, or looks like the carrier \
                     of a token"
                ));
            }
        }
        if self.general.starting_rooms.iter().any(String::is_empty) {
            return fault("general.starting_rooms lists a room without a name".into());
        }
        Ok(())
    }

    /// Checks that nobody else is where the doors are.
    fn check_doors(&self) -> Result<(), ConfigError> {
        let mut reserved = vec![
            ("/healthz".to_owned(), "operations"),
            ("/readyz".to_owned(), "operations"),
            ("/metrics".to_owned(), "operations"),
        ];
        let (web, script) = (&self.web, &self.client.name);
        for (segment, owner) in [
            (&web.url_path_for_actions, "web.url_path_for_actions"),
            (&web.url_path_for_files, "web.url_path_for_files"),
        ] {
            if !segment.is_empty() {
                reserved.push((format!("/{segment}"), owner));
            }
        }
        if !script.is_empty() {
            let endings = ["", ".js", ".min.js", ".mjs"];
            reserved.extend(endings.map(|end| (format!("/{script}{end}"), "client.name")));
        }
        self.doors
            .check(&reserved)
            .map_err(|error| ConfigError::Value(format!("doors.{}: {error}", error.place())))
    }
}

/// Checks a list of transport names.
///
/// # Errors
///
/// For an empty list, and for unknown, repeated and absent transports.
pub(crate) fn check_transports(names: &[String]) -> Result<(), ConfigError> {
    let built_in: Vec<_> = stellar_transports::REGISTRY
        .iter()
        .filter(|entry| entry.build.is_some())
        .map(|entry| entry.name)
        .collect();
    let choices = built_in.join(", ");
    if names.is_empty() {
        return Err(ConfigError::Value(format!(
            "no transport is chosen: give --transport with one or several of {choices}"
        )));
    }
    for (index, name) in names.iter().enumerate() {
        let fault = match stellar_transports::entry(name) {
            None => format!("unknown transport `{name}`: choose from {choices}"),
            Some(entry) if entry.build.is_none() => {
                format!("transport `{name}` is not built in: choose from {choices}")
            }
            Some(_) if names[..index].contains(name) => {
                format!("transport `{name}` is listed twice: name each once")
            }
            Some(_) => continue,
        };
        return Err(ConfigError::Value(fault));
    }
    Ok(())
}
