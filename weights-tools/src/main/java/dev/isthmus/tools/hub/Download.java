package dev.isthmus.tools.hub;

import dev.isthmus.tools.io.CommandException;
import dev.isthmus.tools.io.Digests;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Locale;
import java.util.function.Consumer;
import java.util.function.LongConsumer;

/**
 * Brings a file of the hub into the cache's blobs. It fills a file beside them and becomes a blob at once when it is
 * whole and what it should be; a later call goes on where an earlier one broke off.
 */
final class Download {

    private static final int CHUNK = 1 << 18;

    /** A disk with less room than this is full, whatever the failed write says. */
    private static final long FULL = 1 << 20;

    private final HubClient client;
    private final HubSettings settings;
    private final HubCache cache;
    private final Consumer<String> notices;

    Download(HubClient client, HubSettings settings, HubCache cache, Consumer<String> notices) {
        this.client = client;
        this.settings = settings;
        this.cache = cache;
        this.notices = notices;
    }

    /** Whether the cache has a file already. */
    boolean isThere(RemoteFile file) {
        return isWhole(cache.blob(file.etag()), file)
                || isWhole(cache.snapshot(file.commit()).resolve(file.name()), file);
    }

    private static boolean isWhole(Path path, RemoteFile file) {
        try {
            return Files.isRegularFile(path) && file.hasSize(Files.size(path));
        } catch (IOException e) {
            return false;
        }
    }

    /**
     * Brings a file, unless it is there.
     *
     * @param progress told how many of its bytes are there
     * @throws CommandException if it cannot be had; no blob is left behind then
     */
    void run(RemoteFile file, LongConsumer progress) {
        Path partial = cache.partial(file.etag());
        try {
            Files.createDirectories(partial.getParent());
            cache.writeTag();
            try (BlobLock _ = BlobLock.take(cache.lock(file.etag()), () -> notices.accept("waiting for another process"
                    + " that is fetching " + file.name()))) {
                if (!isThere(file)) {
                    requireRoom(partial, file);
                    try {
                        fill(partial, file, progress);
                    } finally {
                        deleteIfEmpty(partial);
                    }
                    verify(partial, file);
                    Files.move(partial, cache.blob(file.etag()), StandardCopyOption.ATOMIC_MOVE,
                            StandardCopyOption.REPLACE_EXISTING);
                }
            }
        } catch (IOException e) {
            throw unwritable(partial, e);
        }
    }

    private static void requireRoom(Path partial, RemoteFile file) throws IOException {
        long there = Files.exists(partial) ? Files.size(partial) : 0;
        long room = Files.getFileStore(partial.getParent()).getUsableSpace();
        if (file.size() - there > room) {
            throw new CommandException(String.format(Locale.ROOT, "%s: %s needs %,d MB more, and the disk has room for"
                    + " %,d MB; free some, or set HF_HUB_CACHE to a directory on another disk", partial.getParent(),
                    file.name(), (file.size() - there) / 1_000_000, room / 1_000_000));
        }
    }

    /** Where nothing came, there is nothing to go on with. */
    private static void deleteIfEmpty(Path partial) throws IOException {
        if (Files.exists(partial) && Files.size(partial) == 0) {
            Files.delete(partial);
        }
    }

    /** A write has failed, or something else that has to do with the local disk. */
    private static RuntimeException unwritable(Path partial, IOException failure) {
        try {
            if (Files.getFileStore(partial.getParent()).getUsableSpace() < FULL) {
                return new CommandException(partial.getParent() + ": the disk is full; free some room, or set"
                        + " HF_HUB_CACHE to a directory on another disk, and fetch again: what is there is kept",
                        failure);
            }
        } catch (IOException e) {
            failure.addSuppressed(e);
        }
        return new UncheckedIOException(failure);
    }

    /** Asks for what is missing until nothing is. */
    private void fill(Path partial, RemoteFile file, LongConsumer progress) throws IOException {
        Attempts attempts = new Attempts(settings.firstPause(), notices);
        try (SeekableByteChannel out = Files.newByteChannel(partial, StandardOpenOption.CREATE,
                StandardOpenOption.WRITE)) {
            if (out.size() > file.limit()) {
                out.truncate(0);
            }
            while (file.size() == RemoteFile.UNKNOWN_SIZE || out.size() < file.size()) {
                long before = out.size();
                try (HubClient.Content content = client.open(cache.repository(), file, before)) {
                    copy(content, out, file, progress);
                    if (file.size() == RemoteFile.UNKNOWN_SIZE) {
                        return;
                    }
                    if (out.size() < file.size()) {
                        throw new TransientException(settings.endpoint().getHost() + " sent " + out.size() + " of "
                                + file.size() + " bytes of " + file.name(), (Throwable) null);
                    }
                } catch (TransientException e) {
                    if (out.size() > before) {
                        attempts.progressed();
                    }
                    attempts.failed(e);
                }
            }
        }
    }

    private void copy(HubClient.Content content, SeekableByteChannel out, RemoteFile file, LongConsumer progress)
            throws IOException {
        out.truncate(content.from());
        out.position(content.from());
        ByteBuffer chunk = ByteBuffer.allocate(CHUNK);
        while (true) {
            int count;
            try {
                count = content.bytes().read(chunk.array(), 0, CHUNK);
            } catch (IOException e) {
                throw HubFailures.ofNetwork(settings.endpoint(), e);
            }
            if (count < 0) {
                return;
            }
            if (out.position() + count > file.limit()) {
                out.truncate(0);
                throw new CommandException(file.name() + ": expected " + file.limit() + " bytes at most, found more;"
                        + " the file changed on the hub, or a proxy is at fault: fetch again");
            }
            chunk.clear().limit(count);
            while (chunk.hasRemaining()) {
                out.write(chunk);
            }
            progress.accept(out.position());
        }
    }

    private static void verify(Path partial, RemoteFile file) throws IOException {
        String expected = file.sha256().orElse(file.etag());
        String found = file.sha256().isPresent() ? Digests.sha256(partial)
                : HubName.isCommit(file.etag()) ? Digests.gitBlob(partial) : file.etag();
        if (!found.equals(expected)) {
            Files.delete(partial);
            throw new CommandException(file.name() + ": expected the hash " + expected + ", found " + found
                    + "; the bytes were changed on their way or on the disk, and have been deleted: fetch again");
        }
    }
}
