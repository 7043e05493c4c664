//! What goes by a name in recipes: what this crate brings, and what a program adds.

use std::sync::{PoisonError, RwLock};

use crate::Error;

/// Things by name. A program's own come after the built-in ones.
pub(crate) struct Registry<T: ?Sized + 'static> {
    /// The setting in which the names are used.
    field: &'static str,
    built_in: &'static [&'static T],
    name: fn(&T) -> &'static str,
    added: RwLock<Vec<&'static T>>,
}

impl<T: ?Sized + Sync + 'static> Registry<T> {
    pub(crate) const fn new(
        field: &'static str,
        built_in: &'static [&'static T],
        name: fn(&T) -> &'static str,
    ) -> Self {
        Self {
            field,
            built_in,
            name,
            added: RwLock::new(Vec::new()),
        }
    }

    /// Adds one; adding the same again changes nothing.
    pub(crate) fn add(&self, new: &'static T) -> Result<(), Error> {
        let name = (self.name)(new);
        let mut added = self.added.write().unwrap_or_else(PoisonError::into_inner);
        let all = self.built_in.iter().chain(added.iter());
        match all.copied().find(|known| (self.name)(known) == name) {
            None => {
                added.push(new);
                Ok(())
            }
            Some(known) if std::ptr::addr_eq(known, new) => Ok(()),
            Some(_) => {
                let found = format!("a second `{name}`");
                Err(Error::config(self.field, "a name of its own", found))
            }
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<&'static T> {
        let added = self.added.read().unwrap_or_else(PoisonError::into_inner);
        self.built_in.iter().chain(added.iter()).copied().collect()
    }

    /// The one of that name.
    pub(crate) fn find(&self, name: &str) -> Option<&'static T> {
        self.all()
            .into_iter()
            .find(|known| (self.name)(known) == name)
    }

    /// All names.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.all().into_iter().map(self.name).collect()
    }
}
