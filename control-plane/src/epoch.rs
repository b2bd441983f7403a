//! `control-plane epoch new`: an operator accepts that the database lost changes which nodes have (design §4).

use bulkhead_snapshot::Version;

use crate::Failure;
use crate::args::Epoch;
use crate::store::history::{self, Found};
use crate::store::nodes::{self, Known};
use crate::store::{PgConnection, StoreError};
use crate::token::{print, store};

const BY: &str = "epoch new";

pub(crate) async fn run(command: &Epoch) -> Result<(), Failure> {
    let Epoch::New { accept_loss, database } = command;
    let mut transaction = store(database)?.begin().await.map_err(anyhow::Error::from)?;
    let found = async {
        history::lock(&mut transaction).await?;
        let head = history::head(&mut transaction).await?.version;
        let nodes = nodes::list(&mut transaction).await?;
        let mut lines = vec![format!("the database is at {head}")];
        for known in &nodes {
            let lead = differs(&mut transaction, known, &head).await?;
            lines.push(format!("{} ({}): {lead}", known.told.node, known.told.group));
        }
        Ok::<_, StoreError>((head, nodes, lines))
    };
    let (head, nodes, lines) = found.await.map_err(anyhow::Error::from)?;
    for line in lines {
        print(&line)?;
    }
    if !accept_loss {
        let remedy = "--accept-loss: to begin a new epoch, in which every node takes what this database says";
        return Err(Failure::Usage(remedy.to_owned()));
    }
    let (epoch, seq) = above_all(&head, &nodes);
    let begun = async {
        history::begin_epoch(&mut transaction, epoch, seq, BY).await?;
        Ok::<_, StoreError>(transaction.commit().await?)
    };
    begun.await.map_err(anyhow::Error::from)?;
    print(&format!("a new epoch begins at {epoch}.{seq}; every node gets everything anew"))
}

/// The next epoch, and a number that nobody has seen.
fn above_all(head: &Version, nodes: &[Known]) -> (u64, u64) {
    let ours =
        nodes.iter().filter_map(|known| known.told.version).filter(|version| version.cluster == head.cluster);
    let (epoch, seq) = ours.fold((head.epoch, head.seq), |(epoch, seq), version| {
        (epoch.max(version.epoch), seq.max(version.seq))
    });
    (epoch + 1, seq + 1)
}

/// How what a node runs differs from what the database has.
async fn differs(connection: &mut PgConnection, known: &Known, head: &Version) -> Result<String, StoreError> {
    let connected = if known.told.is_connected() { "" } else { ", not connected" };
    let Some(version) = known.told.version else { return Ok(format!("runs nothing yet{connected}")) };
    let lead = if version.cluster != head.cluster {
        "follows another cluster, and will not follow this one".to_owned()
    } else if version == *head {
        format!("runs {version}, as the database does")
    } else if version.epoch == head.epoch && version.seq > head.seq {
        format!("runs {version}: {} changes ahead of the database", version.seq - head.seq)
    } else if version.is_later_than(head) {
        format!("runs {version}: a later epoch than the database's")
    } else if version.epoch < head.epoch {
        format!("runs {version} of an earlier epoch")
    } else {
        match history::find(connection, &version).await? {
            Found::Same => format!("runs {version}: {} changes behind", head.seq - version.seq),
            Found::Other => format!("runs {version} of a history that the database does not know"),
            Found::Gone => format!("runs {version}, too old to compare"),
        }
    };
    Ok(format!("{lead}{connected}"))
}
