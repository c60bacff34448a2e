package dev.isthmus.tools.hub;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.weights.safetensors.ShardIndex;
import dev.isthmus.tools.io.CommandException;
import dev.isthmus.tools.parity.OfficialFile;
import dev.isthmus.tools.parity.OfficialModel;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.BiConsumer;
import java.util.function.Consumer;

/**
 * Brings one model of the hub into the Hugging Face cache. The snapshot shows a file only when all are there, the
 * configuration last, and the refs after that, so a fetch that breaks off leaves no half model behind. GPT-2's own
 * sizes come from the published revision, and must be the published files bit by bit as far as their hashes are known.
 */
public final class Fetch {

    private static final String MAIN = "main";
    private static final String CONFIG = "config.json";

    /** Read if they are there: a model without any of them still takes token ids. */
    private static final List<String> OPTIONAL = List.of("tokenizer.json", "vocab.json", "merges.txt",
            "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "generation_config.json");

    private static final List<String> PICKLES = List.of("pytorch_model.bin", "pytorch_model.bin.index.json");

    private final HubSettings settings;
    private final Consumer<String> notices;
    private final BiConsumer<Long, Long> progress;
    private final HubName name;
    private final Optional<OfficialModel> official;
    private final HubCache cache;

    /** The files of the snapshot to be, by name; those without a description are there already. */
    private final Map<String, Optional<RemoteFile>> files = new LinkedHashMap<>();
    private final List<String> missing = new ArrayList<>();
    private String commit;

    /**
     * Makes one.
     *
     * @param asked the model, by a short name of GPT-2's or as {@code owner/name}; without a revision, it is the
     *     published one of GPT-2's sizes, else {@code main}
     * @param settings where the hub and the cache are
     * @param notices told of what takes time or is not as it should be
     * @param progress told (bytes fetched, bytes in all)
     */
    public Fetch(HubName asked, HubSettings settings, Consumer<String> notices, BiConsumer<Long, Long> progress) {
        this.settings = settings;
        this.notices = notices;
        this.progress = progress;
        this.official = OfficialModel.named(asked.repository());
        String revision = asked.revision().or(() -> official.map(OfficialModel::revision)).orElse(MAIN);
        this.name = new HubName(official.map(OfficialModel::repository).orElse(asked.repository()),
                Optional.of(revision));
        this.cache = new HubCache(settings.cache(), name.repository());
    }

    /**
     * A model in the cache.
     *
     * @param repository its name on the hub
     * @param commit the commit that it is of
     * @param directory where it is
     * @param files its files' names
     */
    public record Fetched(String repository, String commit, Path directory, List<String> files) {}

    /**
     * Fetches what is missing.
     *
     * @throws CommandException if the model cannot be had; the message says why and what to do
     */
    public Fetched run() {
        if (settings.offline()) {
            return cached();
        }
        try (HubClient client = new HubClient(settings)) {
            Download download = new Download(client, settings, cache, notices);
            plan(client, download);
            downloadAll(download);
            publish();
            if (official.filter(model -> model.revision().equals(commit)).isPresent()) {
                noteMain(client);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return new Fetched(name.repository(), commit, cache.snapshot(commit), List.copyOf(files.keySet()));
    }

    private Fetched cached() {
        Path directory = cache.find(name.revision()).orElseThrow(() -> new CommandException(name + " is not in the"
                + " cache (" + cache.directory() + "), and HF_HUB_OFFLINE forbids to fetch it; unset it"));
        notices.accept("HF_HUB_OFFLINE is set: this is what the cache has");
        try (var names = Files.list(directory)) {
            return new Fetched(name.repository(), directory.getFileName().toString(), directory,
                    names.map(path -> path.getFileName().toString()).sorted().toList());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void plan(HubClient client, Download download) {
        String revision = name.revision().orElseThrow();
        if (HubName.isCommit(revision)) {
            commit = revision;
        }
        if (!add(client, CONFIG)) {
            throw new CommandException(name + " has no " + CONFIG + " on " + settings.endpoint().getHost()
                    + ": there is no such model, or it is none of the transformers library; check the name");
        }
        files.get(CONFIG).ifPresent(config -> download.run(config, bytes -> { }));
        ConfigCheck.requireGpt2(stored(CONFIG), name);
        if (!add(client, Checkpoint.SINGLE_FILE)) {
            if (!add(client, Checkpoint.INDEX_FILE)) {
                throw noSafetensors(client);
            }
            files.get(Checkpoint.INDEX_FILE).ifPresent(index -> download.run(index, bytes -> { }));
            for (String shard : ShardIndex.read(stored(Checkpoint.INDEX_FILE)).fileNames()) {
                if (!add(client, shard)) {
                    throw new CommandException(name + " has no " + shard + ", which its " + Checkpoint.INDEX_FILE
                            + " names; ask the repository's owner");
                }
            }
        }
        OPTIONAL.forEach(file -> add(client, file));
    }

    private CommandException noSafetensors(HubClient client) {
        boolean pickle = PICKLES.stream().anyMatch(file -> describe(client, file).isPresent());
        return new CommandException(name + " has no " + Checkpoint.SINGLE_FILE + (pickle ? ", only Python's pickle"
                + " format (pytorch_model.bin), which runs code from the file when it is read and is therefore not"
                + " fetched. Look at " + settings.endpoint() + "/" + name.repository() + "/discussions for a pull"
                + " request that adds safetensors and give it as --revision refs/pr/N, or have"
                + " https://huggingface.co/spaces/safetensors/convert make one"
                : "; only safetensors weights are read"));
    }

    /** Adds a file to the plan; false if the repository has none of this name. */
    private boolean add(HubClient client, String file) {
        if (commit != null && isThere(file)) {
            files.put(file, Optional.empty());
            return true;
        }
        if (commit != null && cache.isKnownMissing(commit, file)) {
            return false;
        }
        Optional<RemoteFile> described = describe(client, file);
        if (described.isEmpty()) {
            missing.add(file);
            return false;
        }
        if (commit == null) {
            commit = described.get().commit();
        } else if (!commit.equals(described.get().commit())) {
            throw new CommandException(name + ": asked for " + file + " at commit " + commit + ", found it at "
                    + described.get().commit() + "; fetch again, or check HF_ENDPOINT");
        }
        files.put(file, described.map(this::pin));
        return true;
    }

    private boolean isThere(String file) {
        Path path = cache.snapshot(commit).resolve(file);
        try {
            OptionalLong expected = published(file).map(OfficialFile::bytes).orElse(OptionalLong.empty());
            return Files.isRegularFile(path) && (expected.isEmpty() || expected.getAsLong() == Files.size(path));
        } catch (IOException e) {
            return false;
        }
    }

    private Optional<RemoteFile> describe(HubClient client, String file) {
        HubName at = commit == null ? name : name.at(commit);
        return Attempts.run(settings.firstPause(), notices, () -> client.describe(at, file));
    }

    private Optional<OfficialFile> published(String file) {
        return official.filter(model -> model.revision().equals(commit))
                .flatMap(model -> Optional.ofNullable(model.files().get(file)));
    }

    /** The same file with the published hash. */
    private RemoteFile pin(RemoteFile file) {
        Optional<OfficialFile> published = published(file.name());
        if (published.isEmpty()) {
            return file;
        }
        OfficialFile expected = published.get();
        String sha256 = expected.sha256();
        if (!file.sha256().orElse(sha256).equals(sha256)
                || expected.bytes().isPresent() && !file.hasSize(expected.bytes().getAsLong())) {
            throw new CommandException(name + ": expected the published " + file.name() + " (SHA-256 " + sha256 + "),"
                    + " found one of " + file.size() + " bytes (" + file.etag() + "): the remote file was changed, or"
                    + " HF_ENDPOINT is no true copy of the hub; give --revision " + MAIN + " to take what is there");
        }
        return new RemoteFile(file.name(), file.commit(), file.etag(),
                expected.bytes().orElse(file.size()), Optional.of(sha256));
    }

    private Path stored(String file) {
        return files.get(file).map(remote -> cache.blob(remote.etag())).filter(Files::exists)
                .orElseGet(() -> cache.snapshot(commit).resolve(file));
    }

    private void downloadAll(Download download) {
        List<RemoteFile> wanted = files.values().stream().flatMap(Optional::stream)
                .filter(file -> !download.isThere(file)).toList();
        long total = wanted.stream().mapToLong(file -> Math.max(0, file.size())).sum();
        long done = 0;
        for (RemoteFile file : wanted) {
            long before = done;
            download.run(file, bytes -> progress.accept(Math.min(before + bytes, total), total));
            done += Math.max(0, file.size());
        }
    }

    /** Makes the files a snapshot, the configuration last: without it, nobody takes the directory for a model. */
    private void publish() throws IOException {
        for (String file : missing) {
            cache.noteMissing(commit, file);
        }
        for (String file : files.keySet()) {
            if (!file.equals(CONFIG)) {
                link(file);
            }
        }
        link(CONFIG);
        cache.writeRef(name.revision().orElseThrow(), commit);
    }

    private void link(String file) throws IOException {
        Optional<RemoteFile> remote = files.get(file);
        if (remote.isPresent()) {
            cache.link(remote.get().etag(), commit, file);
        }
    }

    /** Python looks for {@code main} unless told otherwise: where that is the published revision, it will find it. */
    private void noteMain(HubClient client) throws IOException {
        if (cache.commit(MAIN).isPresent()) {
            return;
        }
        try {
            Optional<RemoteFile> config = client.describe(name.at(MAIN), CONFIG);
            if (config.isPresent() && config.get().commit().equals(commit)) {
                cache.writeRef(MAIN, commit);
            } else {
                notices.accept("the hub's main branch is not the published revision any more; --revision " + MAIN
                        + " fetches it");
            }
        } catch (TransientException e) {
            notices.accept("could not ask the hub for its main branch (" + e.getMessage() + "); Python will find this"
                    + " model by its revision only");
        }
    }
}
