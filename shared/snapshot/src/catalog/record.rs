//! What is written down of a catalogue.

use bulkhead_model::rows::SettingsRow;
use bulkhead_proto as proto;

use super::rows::Rows;
use crate::version::Version;
use crate::wire::{Id, Row, encode};

/// A catalogue as it was at one point, to be written down. Cheap: it shares what is large.
pub(crate) struct Image {
    pub(crate) version: Version,
    settings: SettingsRow,
    rows: Rows,
}

/// A thing to write down. They come in this order.
pub(crate) enum Record {
    /// What is in force instead of a row that does not compile.
    Former(proto::Item),
    /// A row.
    Row(proto::Item),
    /// What came after a row and was not understood.
    Unread(proto::Item),
}

impl Image {
    pub(super) fn new(version: Version, settings: SettingsRow, rows: Rows) -> Self {
        Self { version, settings, rows }
    }

    /// Everything to write down.
    pub(crate) fn records(&self) -> impl Iterator<Item = Record> {
        let Self { version: _, settings, rows } = self;
        let settings = Some(settings).filter(|good| rows.settings.as_ref() != Some(good));
        let settings = settings.map(|row| Row::Settings(Box::new(row.clone())));
        let deployments = rows.deployments.values().filter_map(|wanted| {
            let good = wanted.good.as_ref().filter(|good| **good != wanted.row)?;
            Some(Row::Deployment(Box::new(good.clone())))
        });
        let former = settings.into_iter().chain(deployments).map(|row| Record::Former(encode(&row)));
        let rows_kept = rows.iter().filter(|row| !self.is_told_by_unread(&row.id()));
        let kept = rows_kept.map(|row| Record::Row(encode(&row)));
        let unread = rows.unread.values().filter_map(|unread| unread.item.clone().map(Record::Unread));
        former.chain(kept).chain(unread)
    }

    /// A row that was made of an item which is written down itself.
    fn is_told_by_unread(&self, id: &Id) -> bool {
        let principal = matches!(id, Id::Team(_) | Id::User(_) | Id::Member(_) | Id::Key(_));
        principal && self.rows.unread.get(id).is_some_and(|unread| unread.item.is_some())
    }
}
