package dev.isthmus.engine.weights.gguf;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.files.TextFile;
import dev.isthmus.engine.files.WrongContent;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * The header of a GGUF file from its first byte on, which nowhere says how long it is: bytes are fetched as they are
 * asked for, never more than about twice as many, and never more than a safetensors header may have.
 */
final class GgufInput {

    private static final int FIRST_FETCH = 1 << 16;
    private static final int MAX_BYTES = TextFile.MAX_BYTES;

    private final SeekableByteChannel channel;
    private final long fileBytes;
    private final Path file;
    private ByteBuffer bytes = ByteBuffer.allocate(0);
    private int position;

    GgufInput(SeekableByteChannel channel, Path file) throws IOException {
        this.channel = channel;
        this.file = file;
        fileBytes = channel.size();
        channel.position(0);
    }

    /** The size of the whole file. */
    long fileBytes() {
        return fileBytes;
    }

    /** The file's name for messages. */
    Path file() {
        return file;
    }

    /** As much of the file's beginning as tells what it is; nothing is taken. */
    ByteBuffer beginning() throws IOException {
        fetch((int) Math.min(WrongContent.BYTES, fileBytes));
        return bytes.duplicate();
    }

    /** How many bytes were taken so far. */
    int position() {
        return position;
    }

    int u32() throws IOException {
        int begin = take(Integer.BYTES);
        return bytes.getInt(begin);
    }

    long u64() throws IOException {
        int begin = take(Long.BYTES);
        return bytes.getLong(begin);
    }

    /** A string: its length in bytes as u64, then UTF-8. */
    String string(String what) throws IOException {
        int length = length(what);
        int begin = take(length);
        ByteBuffer text = bytes.slice(begin, length);
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(text).toString();
        } catch (CharacterCodingException e) {
            throw malformed("expected UTF-8 for " + what + ", which ends at byte " + position + ", found other bytes");
        }
    }

    /** Passes over a string. */
    void skipString(String what) throws IOException {
        take(length(what));
    }

    private int length(String what) throws IOException {
        long length = u64();
        if (length < 0 || length > fileBytes - position) {
            throw malformed("the length of " + what + " is " + Long.toUnsignedString(length) + " bytes, but "
                    + (fileBytes - position) + " follow in the file");
        }
        return (int) Math.min(length, Integer.MAX_VALUE);
    }

    /** Passes over {@code count} bytes; returns the index of the first one for {@link #slice}. */
    int take(long count) throws IOException {
        int begin = position;
        if (count > fileBytes - begin) {
            throw malformed("the file ends at byte " + fileBytes + ", in the midst of its header");
        }
        if (count > MAX_BYTES - begin) {
            throw malformed("expected a header of at most " + MAX_BYTES + " bytes, found a longer one");
        }
        fetch(begin + (int) count);
        position = begin + (int) count;
        return begin;
    }

    /** Some of the bytes that were taken, not copied. */
    MemorySegment slice(int begin, int end) {
        return MemorySegment.ofArray(bytes.array()).asSlice(begin, end - begin).asReadOnly();
    }

    private void fetch(int end) throws IOException {
        int have = bytes.limit();
        if (end <= have) {
            return;
        }
        long wanted = Math.max(end, Math.min(Math.max(2L * have, FIRST_FETCH), Math.min(fileBytes, MAX_BYTES)));
        ByteBuffer larger = ByteBuffer.wrap(Arrays.copyOf(bytes.array(), (int) wanted)).position(have);
        while (larger.hasRemaining()) {
            if (channel.read(larger) < 0) {
                throw malformed("the file became shorter while its header was read");
            }
        }
        bytes = larger.flip().order(ByteOrder.LITTLE_ENDIAN);
    }

    CheckpointException malformed(String detail) {
        return new CheckpointException(Reason.MALFORMED, file, "this is no GGUF file that can be read: " + detail
                + "; the file is damaged or incompletely downloaded: fetch it again");
    }
}
