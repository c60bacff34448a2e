package dev.isthmus.tools.model;

import dev.isthmus.tools.io.CommandException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Path;

/**
 * A model directory and, where it lies inside a jar, the file system that shows it. Keep it open as long as the
 * directory is read.
 *
 * @param path the directory
 * @param name what to call it in messages
 * @param fileSystem the jar; null for an ordinary directory
 */
public record ModelDirectory(Path path, String name, FileSystem fileSystem) implements AutoCloseable {

    private static final String DEMO = "/dev/isthmus/tools/demo/config.json";

    /** An ordinary directory. */
    public static ModelDirectory of(Path path) {
        return new ModelDirectory(path, path.toString(), null);
    }

    /** The embedded demo model. */
    public static ModelDirectory demo() {
        URL resource = ModelDirectory.class.getResource(DEMO);
        if (resource == null) {
            throw new CommandException("this build has no embedded demo model; name a model with --model");
        }
        try {
            URI uri = resource.toURI();
            if (!uri.getScheme().equals("jar")) {
                return new ModelDirectory(Path.of(uri).getParent(), "the embedded demo model", null);
            }
            String[] parts = uri.toString().substring("jar:".length()).split("!", 2);
            FileSystem jar = FileSystems.newFileSystem(Path.of(URI.create(parts[0])));
            Path entry = jar.getPath(URI.create("file://" + parts[1]).getPath());
            return new ModelDirectory(entry.getParent(), "the embedded demo model", jar);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot open the embedded demo model", e);
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public void close() {
        if (fileSystem != null) {
            try {
                fileSystem.close();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
