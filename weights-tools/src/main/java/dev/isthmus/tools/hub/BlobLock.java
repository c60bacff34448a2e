package dev.isthmus.tools.hub;

import dev.isthmus.tools.io.CommandException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * Keeps several processes from downloading the same file at once. It saves work only: were it not kept, each would
 * still write the same bytes to the same places, and the file would still be verified and renamed as a whole.
 */
final class BlobLock implements AutoCloseable {

    private static final int POLL_MILLIS = 100;

    private final FileChannel channel;

    private BlobLock(FileChannel channel) {
        this.channel = channel;
    }

    /**
     * Waits for the lock and takes it. A file system without locks gives it at once.
     *
     * @param file created if it is not there, and left there, as others may wait for it
     * @param waiting told once if somebody else has it
     */
    static BlobLock take(Path file, Runnable waiting) throws IOException {
        Files.createDirectories(file.getParent());
        FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        boolean told = false;
        while (isTaken(channel)) {
            if (!told) {
                waiting.run();
                told = true;
            }
            try {
                Thread.sleep(POLL_MILLIS);
            } catch (InterruptedException e) {
                channel.close();
                Thread.currentThread().interrupt();
                throw new CommandException("interrupted while waiting for another process", e);
            }
        }
        return new BlobLock(channel);
    }

    private static boolean isTaken(FileChannel channel) {
        try {
            FileLock lock = channel.tryLock();
            return lock == null;
        } catch (OverlappingFileLockException e) {
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
