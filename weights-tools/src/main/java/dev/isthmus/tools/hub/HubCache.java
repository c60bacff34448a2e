package dev.isthmus.tools.hub;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.Stream;

/**
 * One model's place in the Hugging Face cache, laid out as huggingface_hub does (file_download.py of 1.33):
 * {@code blobs/ETAG} are the files, {@code snapshots/COMMIT/NAME} are links to them and {@code refs/NAME} says which
 * commit a branch or tag was last seen at; {@code .no_exist/COMMIT/NAME} notes that there is no such file.
 *
 * @param cache the cache's directory
 * @param repository {@code owner/name} or {@code name}
 */
public record HubCache(Path cache, String repository) {

    private static final String MAIN = "main";

    private String folder() {
        return "models--" + repository.replace("/", "--");
    }

    /** The model's own directory. */
    public Path directory() {
        return cache.resolve(folder());
    }

    Path blob(String etag) {
        return directory().resolve("blobs").resolve(etag);
    }

    /**
     * What a download fills before it becomes the blob. Not huggingface_hub's name for it, since its locks do not keep
     * us out nor ours it.
     */
    Path partial(String etag) {
        return directory().resolve("blobs").resolve(etag + ".isthmus.incomplete");
    }

    Path lock(String etag) {
        return cache.resolve(".locks").resolve(folder()).resolve(etag + ".lock");
    }

    /** Where a commit's files are. */
    public Path snapshot(String commit) {
        return directory().resolve("snapshots").resolve(commit);
    }

    private Path ref(String revision) {
        return directory().resolve("refs").resolve(revision);
    }

    /** The snapshot of a revision, or of {@code main}, or the only one there is. */
    public Optional<Path> find(Optional<String> revision) {
        try {
            Optional<Path> named = commit(revision.orElse(MAIN)).map(this::snapshot).filter(HubCache::isModel);
            return named.isPresent() || revision.isPresent() ? named : onlySnapshot();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private Optional<Path> onlySnapshot() throws IOException {
        Path snapshots = directory().resolve("snapshots");
        if (!Files.isDirectory(snapshots)) {
            return Optional.empty();
        }
        try (Stream<Path> all = Files.list(snapshots)) {
            List<Path> models = all.filter(HubCache::isModel).toList();
            return models.size() == 1 ? Optional.of(models.getFirst()) : Optional.empty();
        }
    }

    private static boolean isModel(Path directory) {
        return Files.exists(directory.resolve("config.json"));
    }

    /** The commit that a revision stands for; empty if the cache does not know. */
    Optional<String> commit(String revision) throws IOException {
        Path ref = ref(revision);
        if (Files.isRegularFile(ref)) {
            return Optional.of(Files.readString(ref).strip()).filter(name -> name.matches("[\\w-]+"));
        }
        return Optional.of(revision).filter(name -> Files.isDirectory(snapshot(name)));
    }

    /** Notes the commit that a branch or tag was seen at. */
    void writeRef(String revision, String commit) throws IOException {
        if (revision.equals(commit) || commit(revision).filter(commit::equals).isPresent()) {
            return;
        }
        Path ref = ref(revision);
        Files.createDirectories(ref.getParent());
        Path made = ref.resolveSibling(ref.getFileName() + "." + UUID.randomUUID() + ".tmp");
        Files.writeString(made, commit);
        Files.move(made, ref, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    /** Makes a blob a file of a snapshot: by a relative link, or where there are none, by moving it there. */
    void link(String etag, String commit, String name) throws IOException {
        Path pointer = snapshot(commit).resolve(name);
        Path blob = blob(etag);
        if (isSame(pointer, blob)) {
            return;
        }
        Files.createDirectories(pointer.getParent());
        Files.deleteIfExists(pointer);
        try {
            Files.createSymbolicLink(pointer, pointer.getParent().relativize(blob));
        } catch (FileAlreadyExistsException e) {
            if (!isSame(pointer, blob)) {
                throw e;
            }
        } catch (IOException | UnsupportedOperationException | SecurityException e) {
            Files.move(blob, pointer, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    private static boolean isSame(Path pointer, Path blob) throws IOException {
        return Files.exists(pointer) && (!Files.exists(blob) || Files.isSameFile(pointer, blob));
    }

    private Path missingMark(String commit, String name) {
        return directory().resolve(".no_exist").resolve(commit).resolve(name);
    }

    /** Whether a commit is known to lack a file. */
    boolean isKnownMissing(String commit, String name) {
        return Files.exists(missingMark(commit, name));
    }

    /** Notes that a commit lacks a file, so that nobody asks again. */
    void noteMissing(String commit, String name) throws IOException {
        Path mark = missingMark(commit, name);
        Files.createDirectories(mark.getParent());
        Files.write(mark, new byte[0]);
    }

    /** Marks the cache for backup programs (bford.info/cachedir). Nothing is lost if it cannot be written. */
    void writeTag() {
        Path tag = cache.resolve("CACHEDIR.TAG");
        if (!Files.exists(tag)) {
            try {
                Files.writeString(tag, "Signature: 8a477f597d28d172789f06886806bc55\n"
                        + "# This file is a cache directory tag; see https://bford.info/cachedir/\n");
            } catch (IOException e) {
                // The cache works without.
            }
        }
    }
}
