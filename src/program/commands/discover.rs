//! Which bags the arguments stand for, the same for every command; for `label`, where each one's result goes, and
//! whose turn they are.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use spatial_reward_core::Error as CoreError;
use spatial_reward_offline::label::output::is_labelled_bag;
use spatial_reward_offline::{Error, Result};
use spatial_reward_rosbag2::{BagReader, Error as BagError};

use crate::program::cli::Shard;

/// Folders of bags are often sorted by day or robot, hardly deeper.
const MAX_DEPTH: usize = 2;
const FILE_ENDINGS: [&str; 4] = [".mcap", ".db3", ".mcap.zstd", ".db3.zstd"];

/// One bag to label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Job {
    pub source: PathBuf,
    pub target: PathBuf,
}

/// Every bag with its target, sorted by source.
///
/// # Errors
/// `Error::NotABag` for a folder that holds none, `Error::Output` for two bags with one target.
pub(super) fn jobs(arguments: &[PathBuf], output: Option<&Path>) -> Result<Vec<Job>> {
    let mut is_single = arguments.len() == 1;
    for argument in arguments {
        is_single &= !holds_bags(argument)?;
    }
    let jobs: Vec<Job> = identified(arguments, Wanted::Recordings)?
        .into_iter()
        .map(|(identity, source)| Job {
            target: target_of(&identity, &source, output, is_single),
            source,
        })
        .collect();
    check_clashes(&jobs)?;
    Ok(jobs)
}

/// Every bag that the arguments stand for, sorted.
///
/// # Errors
/// `Error::NotABag` for a folder that holds none.
pub(super) fn sources(arguments: &[PathBuf]) -> Result<Vec<PathBuf>> {
    Ok(identified(arguments, Wanted::Recordings)?
        .into_values()
        .collect())
}

/// Every labelled bag that the arguments stand for, sorted.
///
/// # Errors
/// `Error::NotABag` for a folder that holds none.
pub(super) fn labelled(arguments: &[PathBuf]) -> Result<Vec<PathBuf>> {
    Ok(identified(arguments, Wanted::Labelled)?
        .into_values()
        .collect())
}

/// The one bag that an argument stands for, of those that `wanted` asks for where it is a folder of bags.
///
/// # Errors
/// `Error::NotABag` for a folder that holds none or several, and for what is neither file nor folder.
pub(super) fn single(argument: &Path, wanted: Wanted) -> Result<PathBuf> {
    check_kind(argument)?;
    if !holds_bags(argument)? {
        return Ok(argument.to_owned());
    }
    let bags = bags_in(argument, wanted)?;
    match bags.as_slice() {
        [bag] => Ok(bag.clone()),
        bags => {
            let names: Vec<String> = bags.iter().map(|bag| bag.display().to_string()).collect();
            Err(BagError::NotABag {
                path: argument.to_owned(),
                found: format!(
                    "a folder of {} bags, of which one has to be named: {}",
                    bags.len(),
                    names.join(", ")
                ),
            }
            .into())
        }
    }
}

/// Which bags are looked for in a folder of bags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Recordings: what this program has labelled is passed over.
    Recordings,
    /// What this program has labelled, and where there is no such thing, any.
    Labelled,
}

/// What is neither a file nor a folder is refused before anything is begun.
fn check_kind(argument: &Path) -> Result<()> {
    let kind = match fs::metadata(argument) {
        // One that does not exist fails when its turn comes.
        Err(_) => return Ok(()),
        Ok(kind) => kind,
    };
    if kind.is_file() || kind.is_dir() {
        return Ok(());
    }
    match BagReader::open(argument) {
        Err(error) => Err(error.into()),
        Ok(_) => Ok(()),
    }
}

/// The bags by what they are, each as it was given.
fn identified(arguments: &[PathBuf], wanted: Wanted) -> Result<BTreeMap<PathBuf, PathBuf>> {
    let mut sources = BTreeMap::new();
    for argument in arguments {
        check_kind(argument)?;
        let found = if holds_bags(argument)? {
            bags_in(argument, wanted)?
        } else {
            vec![argument.clone()]
        };
        for bag in found {
            // The same bag by two ways is one bag. One that does not exist fails when its turn comes.
            let identity = bag.canonicalize().unwrap_or_else(|_| bag.clone());
            sources.entry(identity).or_insert(bag);
        }
    }
    Ok(sources)
}

/// The jobs of one part, the same on every machine that sees the same bags.
pub(super) fn part_of(jobs: Vec<Job>, shard: Shard) -> Vec<Job> {
    let turns = (0..shard.of).cycle();
    jobs.into_iter()
        .zip(turns)
        .filter(|(_, turn)| *turn == shard.part - 1)
        .map(|(job, _)| job)
        .collect()
}

fn target_of(identity: &Path, source: &Path, output: Option<&Path>, is_single: bool) -> PathBuf {
    // `.` and `..` have no name of their own, but what they stand for has.
    let named = if source.file_name().is_some() {
        source
    } else {
        identity
    };
    let name = format!("{}_labelled", bag_name(named));
    match output {
        Some(output) if is_single => output.to_owned(),
        Some(output) => output.join(name),
        None => named.with_file_name(name),
    }
}

/// The folder's name, or the file's without its endings.
fn bag_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let ending = FILE_ENDINGS.iter().find(|ending| name.ends_with(**ending));
    match ending {
        Some(ending) if !path.is_dir() => name[..name.len() - ending.len()].to_owned(),
        _ => name.into_owned(),
    }
}

fn check_clashes(jobs: &[Job]) -> Result<()> {
    let mut taken: BTreeMap<&Path, &Path> = BTreeMap::new();
    for job in jobs {
        if let Some(other) = taken.insert(&job.target, &job.source) {
            return Err(CoreError::output(
                &job.target,
                format!(
                    "it would be the result of two bags, {} and {}: label them one by one, each with its own -o",
                    other.display(),
                    job.source.display()
                ),
            )
            .into());
        }
    }
    Ok(())
}

/// A folder that is not itself a bag.
fn holds_bags(path: &Path) -> Result<bool> {
    Ok(path.is_dir() && !is_bag_folder(path)?)
}

/// It has a metadata.yaml, or its bag files are the parts of one bag.
fn is_bag_folder(folder: &Path) -> Result<bool> {
    if folder.join("metadata.yaml").is_file() {
        return Ok(true);
    }
    Ok(are_parts(folder, &bag_files(&entries(folder)?)))
}

/// Recorders call the files of one bag `NAME_0`, `NAME_1`, ...; some call the only file of a bag as its folder.
fn are_parts(folder: &Path, files: &[PathBuf]) -> bool {
    let stem = |file: &PathBuf| {
        let name = bag_name(file);
        let (stem, number) = name.rsplit_once('_')?;
        number.parse::<u32>().ok().map(|_| stem.to_owned())
    };
    match files {
        [] => false,
        [file] if folder.file_name() == Some(bag_name(file).as_ref()) => true,
        [first, ..] => {
            let first = stem(first);
            first.is_some() && files.iter().all(|file| stem(file) == first)
        }
    }
}

/// What a search through a folder has found.
#[derive(Default)]
struct Found {
    recordings: Vec<PathBuf>,
    labelled: Vec<PathBuf>,
    /// Bags of ROS 1, which are not read.
    of_ros1: Vec<PathBuf>,
}

fn bags_in(folder: &Path, wanted: Wanted) -> Result<Vec<PathBuf>> {
    let mut found = Found::default();
    search(folder, MAX_DEPTH, &mut found)?;
    let Found {
        recordings,
        labelled,
        of_ros1,
    } = found;
    let bags = match wanted {
        Wanted::Labelled if !labelled.is_empty() => labelled,
        _ => recordings,
    };
    if bags.is_empty() {
        return Err(no_bag_in(folder, &of_ros1));
    }
    if let Some(first) = of_ros1.first() {
        tracing::warn!(
            "{} of the folder's bags are of ROS 1 and passed over, the first is {}: rosbags-convert makes ROS 2 bags \
             of them",
            of_ros1.len(),
            first.display()
        );
    }
    Ok(bags)
}

fn no_bag_in(folder: &Path, of_ros1: &[PathBuf]) -> Error {
    // The reader says what is to be done about a bag of ROS 1.
    let refused = of_ros1.first().and_then(|path| BagReader::open(path).err());
    let nothing = || BagError::NotABag {
        path: folder.to_owned(),
        found: format!(
            "a folder without metadata.yaml and bag files, and there is no bag to label in it, up to \
             {MAX_DEPTH} levels deep"
        ),
    };
    refused.unwrap_or_else(nothing).into()
}

fn is_of_ros1(path: &Path) -> bool {
    matches!(BagReader::open(path), Err(BagError::Ros1 { .. }))
}

fn search(folder: &Path, depth_left: usize, found: &mut Found) -> Result<()> {
    let entries = entries(folder)?;
    found.recordings.extend(bag_files(&entries));
    for path in entries {
        if path.is_file() {
            if path.extension().is_some_and(|it| it == "bag") && is_of_ros1(&path) {
                found.of_ros1.push(path);
            }
        } else if !path.is_dir() {
            // Neither is a bag.
        } else if is_labelled_bag(&path) {
            tracing::debug!("{} is labelled already", path.display());
            found.labelled.push(path);
        } else if is_bag_folder(&path)? {
            found.recordings.push(path);
        } else if depth_left > 1 {
            search(&path, depth_left - 1, found)?;
        }
    }
    Ok(())
}

/// What is in a folder and not hidden.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(CoreError::io("list", folder))? {
        let entry = entry.map_err(CoreError::io("list", folder))?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn bag_files(entries: &[PathBuf]) -> Vec<PathBuf> {
    let is_bag_file = |path: &&PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        path.is_file() && FILE_ENDINGS.iter().any(|ending| name.ends_with(ending))
    };
    entries.iter().filter(is_bag_file).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(folder: &Path, files: &[&str]) {
        for file in files {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
    }

    /// Source and target of each job, relative to the folder.
    fn found(folder: &Path, arguments: &[&str], output: Option<&str>) -> Vec<(String, String)> {
        let arguments: Vec<PathBuf> = arguments.iter().map(|name| folder.join(name)).collect();
        let output = output.map(|name| folder.join(name));
        let relative = |path: &Path| path.strip_prefix(folder).unwrap().display().to_string();
        jobs(&arguments, output.as_deref())
            .unwrap()
            .iter()
            .map(|job| (relative(&job.source), relative(&job.target)))
            .collect()
    }

    fn pair(source: &str, target: &str) -> (String, String) {
        (source.to_owned(), target.to_owned())
    }

    #[test]
    fn a_single_bag_goes_to_the_output_itself_and_else_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        touch(folder.path(), &["pick/metadata.yaml", "place.db3.zstd"]);
        assert_eq!(
            found(folder.path(), &["pick"], None),
            [pair("pick", "pick_labelled")]
        );
        assert_eq!(
            found(folder.path(), &["pick"], Some("out")),
            [pair("pick", "out")]
        );
        assert_eq!(
            found(folder.path(), &["place.db3.zstd"], None),
            [pair("place.db3.zstd", "place_labelled")]
        );
    }

    #[test]
    fn a_folder_of_bags_is_searched_and_its_results_are_not_taken_for_bags() {
        let folder = tempfile::tempdir().unwrap();
        touch(
            folder.path(),
            &[
                "all/monday/pick/metadata.yaml",
                "all/monday/pick/pick_0.mcap",
                "all/named/named.mcap",
                "all/single/c.mcap",
                "all/split/run_0.mcap",
                "all/split/run_1.mcap",
                "all/loose/a.mcap",
                "all/loose/b.mcap",
                "all/notes/readme.txt",
                "all/pick_labelled/metadata.yaml",
                "all/pick_labelled/pick_labelled_reward.parquet",
                "all/.pick_labelled.partial/metadata.yaml",
            ],
        );
        assert_eq!(
            found(folder.path(), &["all"], Some("out")),
            [
                pair("all/loose/a.mcap", "out/a_labelled"),
                pair("all/loose/b.mcap", "out/b_labelled"),
                pair("all/monday/pick", "out/pick_labelled"),
                pair("all/named", "out/named_labelled"),
                pair("all/single/c.mcap", "out/c_labelled"),
                pair("all/split", "out/split_labelled"),
            ]
        );
    }

    #[test]
    fn one_bag_of_a_folder_is_meant_by_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            "all/monday/pick.mcap",
            "all/pick_labelled/metadata.yaml",
            "all/pick_labelled/pick_labelled_reward.parquet",
        ];
        touch(folder.path(), &files);
        let all = folder.path().join("all");
        let meant = |wanted| single(&all, wanted).unwrap();
        assert_eq!(meant(Wanted::Recordings), all.join("monday/pick.mcap"));
        assert_eq!(meant(Wanted::Labelled), all.join("pick_labelled"));
        // A bag is itself, whatever is wanted
        for bag in [meant(Wanted::Recordings), meant(Wanted::Labelled)] {
            assert_eq!(single(&bag, Wanted::Labelled).unwrap(), bag);
        }
        touch(folder.path(), &["all/tuesday/place.db3"]);
        let error = single(&all, Wanted::Recordings).unwrap_err().to_string();
        for expected in ["2 bags", "pick.mcap", "place.db3"] {
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_same_bag_twice_is_one() {
        let folder = tempfile::tempdir().unwrap();
        touch(folder.path(), &["all/pick/metadata.yaml"]);
        assert_eq!(found(folder.path(), &["all", "all/pick"], None).len(), 1);
    }

    #[test]
    fn two_bags_with_one_target_are_both_named() {
        let folder = tempfile::tempdir().unwrap();
        touch(
            folder.path(),
            &["monday/pick/metadata.yaml", "tuesday/pick/metadata.yaml"],
        );
        let arguments = ["monday/pick", "tuesday/pick"].map(|name| folder.path().join(name));
        let error = jobs(&arguments, Some(Path::new("out")))
            .unwrap_err()
            .to_string();
        for expected in ["monday/pick", "tuesday/pick", "out/pick_labelled"] {
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_parts_make_up_the_whole() {
        let job = |number: usize| Job {
            source: number.to_string().into(),
            target: PathBuf::new(),
        };
        let all: Vec<Job> = (0..7).map(job).collect();
        let mut together: Vec<Job> = (1..=3)
            .flat_map(|part| part_of(all.clone(), Shard { part, of: 3 }))
            .collect();
        together.sort();
        assert_eq!(together, all);
    }

    #[test]
    fn a_folder_without_bags_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = jobs(&[folder.path().to_owned()], None)
            .unwrap_err()
            .to_string();
        assert!(error.contains("no bag to label in it"), "{error}");
    }
}
