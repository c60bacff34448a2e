package dev.isthmus.bindings;

import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32;
import java.util.zip.CheckedInputStream;

/**
 * A directory that bundled libraries are extracted to, once for all later processes. Nothing is locked: a file is
 * written under a name of its own, checked and renamed into place, so that processes which extract at the same time
 * at worst write the same bytes twice. Files of other versions stay where they are.
 *
 * @param root       the directory
 * @param perProcess whether each extraction makes a directory of its own there, readable by this user only and
 *                   deleted at exit
 */
record NativeCache(Path root, boolean perProcess) {
    static final String PROPERTY = "isthmus.cache";
    static final String VARIABLE = "ISTHMUS_CACHE";

    /** The places to extract to, best first: the user's cache directory, then one for this process alone. */
    static List<NativeCache> places(Settings settings, Platform platform) {
        List<NativeCache> places = new ArrayList<>(2);
        try {
            Path root = userCache(settings, platform);
            if (root != null) {
                places.add(new NativeCache(root.resolve("natives"), false));
            }
        } catch (InvalidPathException notInLocale) {
            System.getLogger("dev.isthmus.bindings").log(System.Logger.Level.DEBUG,
                    "The user's cache directory has a name that this locale cannot write", notInLocale);
        }
        String temporary = settings.property("java.io.tmpdir");
        if (temporary != null) {
            places.add(new NativeCache(Path.of(temporary), true));
        }
        return places;
    }

    private static Path userCache(Settings settings, Platform platform) {
        String named = settings.property(PROPERTY);
        if (named == null) {
            named = settings.variable(VARIABLE);
        }
        if (named != null) {
            return Path.of(named).toAbsolutePath();
        }
        String base = settings.variable(platform.os() == Platform.Os.WINDOWS ? "LOCALAPPDATA" : "XDG_CACHE_HOME");
        if (base != null && Path.of(base).isAbsolute()) {
            return Path.of(base, "isthmus");
        }
        String home = settings.property("user.home");
        // A user without an entry in the password file, as containers have them, gives "?".
        if (home == null || home.equals("?")) {
            return null;
        }
        return switch (platform.os()) {
            case MACOS -> Path.of(home, "Library", "Caches", "isthmus");
            case WINDOWS -> Path.of(home, "AppData", "Local", "isthmus");
            case LINUX, OTHER -> Path.of(home, ".cache", "isthmus");
        };
    }

    /**
     * Puts the files side by side into a directory that is named after their content; those that are there already
     * are not read again.
     *
     * @param name      what the directory's name begins with
     * @param resources the files
     * @return the files' paths, in the same order
     * @throws IOException where the directory cannot be written
     */
    List<Path> extract(String name, List<BundledResource> resources) throws IOException {
        Path directory;
        if (perProcess) {
            directory = Files.createTempDirectory(root, "isthmus-");
            directory.toFile().deleteOnExit();
        } else {
            directory = Files.createDirectories(root.resolve(name + "-" + contentKey(resources)));
        }
        List<Path> paths = new ArrayList<>(resources.size());
        for (BundledResource resource : resources) {
            Path path = directory.resolve(resource.fileName());
            if (!isIntact(path, resource)) {
                write(path, resource);
            }
            if (perProcess) {
                path.toFile().deleteOnExit();
            }
            paths.add(path);
        }
        return paths;
    }

    private static String contentKey(List<BundledResource> resources) {
        long key = 0;
        for (BundledResource resource : resources) {
            key = (key * 31 + resource.size()) * 31 + resource.crc();
        }
        return Long.toHexString(key);
    }

    /**
     * Whether the file is the one that {@link #write} left there. Hashing 37 MB at each start would cost more than
     * loading them; the seal tells of any write since, and the size guards against a file cut short, which would
     * kill the process once it is mapped.
     */
    private static boolean isIntact(Path path, BundledResource resource) throws IOException {
        try {
            BasicFileAttributes found = Files.readAttributes(path, BasicFileAttributes.class);
            return found.isRegularFile() && found.size() == resource.size()
                    && found.lastModifiedTime().equals(seal(resource));
        } catch (NoSuchFileException absent) {
            return false;
        }
    }

    /** The modification time of an intact file: an even second in the years 2001 to 2018, drawn from its checksum. */
    private static FileTime seal(BundledResource resource) {
        return FileTime.fromMillis((1_000_000_000L + (resource.crc() & 0x0fff_ffff) * 2) * 1000);
    }

    private static void write(Path path, BundledResource resource) throws IOException {
        Path part = Files.createTempFile(path.getParent(), resource.fileName(), ".part");
        try {
            long crc;
            try (CheckedInputStream in = new CheckedInputStream(resource.open(), new CRC32());
                    FileChannel out = FileChannel.open(part, StandardOpenOption.WRITE)) {
                copy(in, out);
                out.force(true);
                crc = in.getChecksum().getValue();
            }
            if (Files.size(part) != resource.size() || crc != resource.crc()) {
                throw new IOException("expected " + resource.size() + " bytes with CRC-32 "
                        + Long.toHexString(resource.crc()) + " from " + resource.url() + ", found "
                        + Files.size(part) + " with " + Long.toHexString(crc));
            }
            Files.setLastModifiedTime(part, seal(resource));
            moveIntoPlace(part, path, resource);
        } finally {
            Files.deleteIfExists(part);
        }
    }

    private static void copy(InputStream in, FileChannel out) throws IOException {
        in.transferTo(Channels.newOutputStream(out));
    }

    private static void moveIntoPlace(Path part, Path path, BundledResource resource) throws IOException {
        try {
            Files.move(part, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException refused) {
            // Windows does not replace a library that another process has loaded; that process's is as good.
            if (!isIntact(path, resource)) {
                throw refused;
            }
        }
    }
}
