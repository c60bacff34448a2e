package dev.isthmus.tools.convert;

import dev.isthmus.tools.io.CommandException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.UUID;
import java.util.stream.Stream;

/**
 * A file or directory that is made beside its place, under another name, and moved there when it is complete. What was
 * not published is deleted when this is closed, or when a signal ends the process.
 */
final class NewPath implements AutoCloseable {

    private final Path target;
    private final Path path;
    private final Thread cleaner = new Thread(this::delete);

    private NewPath(Path target) throws IOException {
        requireFree(target);
        this.target = target;
        Path parent = target.toAbsolutePath().getParent();
        if (!Files.isDirectory(parent)) {
            throw new CommandException(parent + ": there is no such directory to write " + target.getFileName()
                    + " to; make it first");
        }
        this.path = parent.resolve(target.getFileName() + "." + UUID.randomUUID() + ".part");
        Runtime.getRuntime().addShutdownHook(cleaner);
    }

    /** A directory, which is there to be filled. */
    static NewPath directory(Path target) throws IOException {
        NewPath made = new NewPath(target);
        try {
            Files.createDirectory(made.path);
        } catch (IOException e) {
            made.close();
            throw e;
        }
        return made;
    }

    /** A file, which is not there yet. */
    static NewPath file(Path target) throws IOException {
        return new NewPath(target);
    }

    /** Where to write. */
    Path path() {
        return path;
    }

    /**
     * Moves it to its place.
     *
     * @throws CommandException if something has come to be there
     */
    void publish() throws IOException {
        requireFree(target);
        Files.move(path, target);
    }

    private static void requireFree(Path target) {
        if (Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
            throw new CommandException(target + ": exists already and is not overwritten; choose another name or remove"
                    + " it first");
        }
    }

    private void delete() {
        if (!Files.exists(path)) {
            return;
        }
        try (Stream<Path> all = Files.walk(path)) {
            List<Path> deepestFirst = all.sorted(Comparator.reverseOrder()).toList();
            for (Path each : deepestFirst) {
                Files.deleteIfExists(each);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("deleting " + path, e);
        }
    }

    @Override
    public void close() {
        delete();
        try {
            Runtime.getRuntime().removeShutdownHook(cleaner);
        } catch (IllegalStateException e) {
            // The process is ending, and the hook does what remains.
        }
    }
}
