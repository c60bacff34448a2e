package dev.isthmus.engine.checkpoint;

import dev.isthmus.engine.checks.Interrupts;
import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.errors.ClosedException;
import dev.isthmus.engine.files.RegularFile;
import dev.isthmus.engine.weights.TensorInfo;
import dev.isthmus.engine.weights.gguf.GgufHeader;
import dev.isthmus.engine.weights.gguf.GgufNames;
import dev.isthmus.engine.weights.gguf.GgufParts;
import dev.isthmus.engine.weights.safetensors.SafetensorsHeader;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * One open safetensors or GGUF file on any file system. Several threads may read at the same time; on the default file
 * system they do so without waiting for each other.
 */
final class TensorFile implements AutoCloseable {

    /** The most that one read asks for: a progress report is due after it, and it fits a ByteBuffer. */
    private static final long MAX_READ_BYTES = 1 << 24;

    private final Path path;
    private final SeekableByteChannel channel;
    private final Header header;

    private TensorFile(Path path, SeekableByteChannel channel, Header header) {
        this.path = path;
        this.channel = channel;
        this.header = header;
    }

    /**
     * What the file says about itself.
     *
     * @param tensors the tensors, in the order of their places
     * @param metadata of a safetensors file its {@code __metadata__}
     */
    private record Header(List<TensorInfo> tensors, Map<String, String> metadata) {}

    private interface HeaderReader {
        Header read(SeekableByteChannel channel) throws IOException;
    }

    /**
     * Opens a safetensors file and reads its header.
     *
     * @throws CheckpointException if it is missing, not a regular file, unreadable or no safetensors file
     */
    static TensorFile openSafetensors(Path path) {
        return open(path, channel -> {
            SafetensorsHeader header = SafetensorsHeader.parse(channel, path);
            return new Header(header.tensors(), header.metadata());
        });
    }

    /**
     * Opens a GGUF file and reads its header. The tensors are as transformers names them.
     *
     * @throws CheckpointException if it is missing, not a regular file, unreadable or no GGUF file
     */
    static TensorFile openGguf(Path path) {
        return open(path, channel -> {
            GgufHeader header = GgufHeader.parse(channel, path);
            GgufParts.requireName(header, path);
            return new Header(header.tensors().stream().map(GgufNames::asInTransformers).toList(), Map.of());
        });
    }

    private static TensorFile open(Path path, HeaderReader reader) {
        RegularFile.require(path);
        SeekableByteChannel channel = null;
        try {
            channel = Files.newByteChannel(path);
            TensorFile file = new TensorFile(path, channel, reader.read(channel));
            channel = null;
            return file;
        } catch (IOException | SecurityException | UnsupportedOperationException e) {
            throw RegularFile.unreadable(path, e);
        } finally {
            closeQuietly(channel);
        }
    }

    /** The tensors, in the order of their places. */
    List<TensorInfo> tensors() {
        return header.tensors();
    }

    /** The {@code __metadata__} of a safetensors file; empty if it has none, or for a GGUF file. */
    Map<String, String> metadata() {
        return header.metadata();
    }

    /**
     * Fills {@code into} from {@code position} on.
     *
     * @throws CheckpointException if the file ends before or cannot be read
     * @throws CancelledException if the thread was interrupted; the file is closed then
     * @throws ClosedException after {@link #close}
     */
    void read(long position, MemorySegment into) {
        try {
            long done = 0;
            while (done < into.byteSize()) {
                long count = Math.min(MAX_READ_BYTES, into.byteSize() - done);
                ByteBuffer buffer = into.asSlice(done, count).asByteBuffer();
                int read = read(Math.addExact(position, done), buffer);
                if (read <= 0) {
                    throw new CheckpointException(Reason.UNREADABLE, path, "expected " + into.byteSize()
                            + " bytes from byte " + position + " on, found the end of the file after " + done
                            + "; the file was changed while it was being read: load the model again");
                }
                done += read;
            }
        } catch (ClosedChannelException e) {
            throw Interrupts.orElse(e, path + ": reading it",
                    () -> new ClosedException(path + ": the checkpoint is closed"));
        } catch (IOException e) {
            throw RegularFile.unreadable(path, e);
        }
    }

    private int read(long position, ByteBuffer buffer) throws IOException {
        if (channel instanceof FileChannel positional) {
            return positional.read(buffer, position);
        }
        synchronized (channel) {
            channel.position(position);
            return channel.read(buffer);
        }
    }

    /**
     * Maps the file up to the end of its last tensor.
     *
     * @param arena what frees the mapping; the file may be closed before
     * @return empty where this file system maps no files, or the file is shorter now
     */
    Optional<MemorySegment> map(Arena arena) {
        long end = tensors().stream().mapToLong(tensor -> tensor.begin() + tensor.bytes()).max().orElse(0);
        try {
            return channel instanceof FileChannel file
                    ? Optional.of(file.map(FileChannel.MapMode.READ_ONLY, 0, end, arena)) : Optional.empty();
        } catch (IOException | UnsupportedOperationException e) {
            return Optional.empty();
        }
    }

    @Override
    public void close() {
        closeQuietly(channel);
    }

    private static void closeQuietly(SeekableByteChannel channel) {
        if (channel != null) {
            try {
                channel.close();
            } catch (IOException e) {
                // It was only read from: nothing can be lost.
            }
        }
    }
}
