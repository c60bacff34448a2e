package dev.isthmus.engine.files;

import dev.isthmus.engine.checks.Interrupts;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;

/** Writes a file that appears under its name when it is complete. */
public final class NewFile implements ByteSink {

    /** A large page: Linux keeps in one what is written at once, and can map it as one. */
    private static final int CHUNK_BYTES = 1 << 21;

    private final WritableByteChannel out;
    private final ByteBuffer buffer = ByteBuffer.allocateDirect(CHUNK_BYTES);
    private long position;

    private NewFile(WritableByteChannel out) {
        this.out = out;
    }

    /** Gives the bytes of a file. */
    @FunctionalInterface
    public interface Content {
        /** Writes them. */
        void writeTo(NewFile out) throws IOException;
    }

    /** Turns what went wrong into the exception to throw. */
    @FunctionalInterface
    public interface Failure {
        /** The exception that says {@code detail}; the cause may be null. */
        RuntimeException of(String detail, Exception cause);
    }

    /**
     * Writes a file, and replaces a file of that name.
     *
     * @param file where to write; its directory must exist
     * @throws CheckpointException if it cannot be written; no part of the file is left then
     */
    public static void write(Path file, Content content) {
        write(file, content, (detail, cause) -> new CheckpointException(Reason.UNWRITABLE, file, detail, cause));
    }

    /**
     * Writes a file, and replaces a file of that name.
     *
     * @param file where to write; its directory must exist
     * @param failure what to throw if it cannot be written; no part of the file is left then
     * @throws dev.isthmus.engine.errors.CancelledException if the thread is interrupted; no part of the file is left then
     */
    public static void write(Path file, Content content, Failure failure) {
        if (Files.exists(file) && !Files.isRegularFile(file)) {
            throw failure.of("there is something other than a regular file under this name; choose another", null);
        }
        Path part = file.resolveSibling(file.getFileName() + "." + UUID.randomUUID() + ".part");
        try {
            try {
                try (WritableByteChannel out = Files.newByteChannel(part, StandardOpenOption.CREATE_NEW,
                        StandardOpenOption.WRITE)) {
                    content.writeTo(new NewFile(out));
                }
                publish(part, file);
            } finally {
                Files.deleteIfExists(part);
            }
        } catch (IOException | SecurityException e) {
            throw Interrupts.orElse(e, file + ": writing it", () -> failure.of("cannot be written (" + e
                    + "); check the directory, its permissions and the space on its disk", e));
        }
    }

    private static void publish(Path part, Path file) throws IOException {
        try {
            Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (AtomicMoveNotSupportedException e) {
            Files.move(part, file, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    /** Appends bytes. */
    @Override
    public void write(MemorySegment bytes) throws IOException {
        for (long done = 0; done < bytes.byteSize();) {
            int count = (int) Math.min(CHUNK_BYTES - position % CHUNK_BYTES, bytes.byteSize() - done);
            buffer.clear().limit(count);
            MemorySegment.ofBuffer(buffer).copyFrom(bytes.asSlice(done, count));
            while (buffer.hasRemaining()) {
                out.write(buffer);
            }
            done += count;
            position += count;
        }
    }

    /** Appends bytes. */
    public void write(byte[] bytes) throws IOException {
        write(MemorySegment.ofArray(bytes));
    }

    /** How many bytes have been written. */
    public long position() {
        return position;
    }
}
