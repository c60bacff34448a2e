package dev.isthmus.engine.session;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.checks.Interrupts;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.errors.SnapshotException;
import dev.isthmus.engine.errors.SnapshotException.Reason;
import dev.isthmus.engine.files.NewFile;
import dev.isthmus.engine.tensor.DType;
import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.zip.CRC32C;

/**
 * The file of a session. All numbers are in the byte order of the machine that wrote it, which the magic number shows:
 *
 * <pre>
 * int32  magic, version
 * byte   [32] the model's fingerprint
 * int32  code of the cache type, positions of a block, tokens n, cached positions m, whether logits follow
 * int32  [n] tokens
 * float  [V] logits, if they follow
 * byte   [ceil(m / 64)] blocks of the cache, zeros after position m
 * int32  CRC-32C of all before
 * </pre>
 */
public final class Snapshot {

    /** "ISNP" where the lowest byte comes first. */
    private static final int MAGIC = 0x504e5349;
    private static final int VERSION = 2;
    private static final int FINGERPRINT_BYTES = 32;
    private static final int HEADER_BYTES = 2 * Integer.BYTES + FINGERPRINT_BYTES + 5 * Integer.BYTES;

    private final Path file;
    private final LoadedModel model;
    private final CRC32C checksum = new CRC32C();

    /** The codes that stand for cache types in files; a released code never changes its meaning. */
    private static int code(DType cacheType) {
        return switch (cacheType) {
            case F64 -> 1;
            case F32 -> 2;
            case F16 -> 3;
            case BF16 -> 4;
            case INT8 -> 5;
        };
    }

    private Snapshot(Path file, LoadedModel model) {
        this.file = file;
        this.model = model;
    }

    /**
     * Writes a sequence of the model.
     *
     * @throws SnapshotException if the file cannot be written
     */
    public static void write(Path file, LoadedModel model, Sequence sequence) {
        new Snapshot(file, model).write(sequence);
    }

    /**
     * Reads a sequence for the model.
     *
     * @throws SnapshotException if the file is no snapshot, is damaged, or was taken with another model
     */
    public static Sequence read(Path file, LoadedModel model, ContextWindow window, String domain) {
        Sequence sequence = new Sequence(model, window, domain);
        try {
            new Snapshot(file, model).read(sequence);
            return sequence;
        } catch (Throwable failed) {
            sequence.close();
            throw failed;
        }
    }

    private void write(Sequence sequence) {
        KvCache cache = sequence.cache();
        int[] tokens = sequence.tokens();
        float[] logits = sequence.knownLogits();
        int cached = Math.min(cache.length(), tokens.length);
        NewFile.write(file, out -> {
            ByteBuffer header = buffer(HEADER_BYTES);
            header.putInt(MAGIC).putInt(VERSION).put(model.fingerprint()).putInt(code(cache.type()))
                    .putInt(KvCache.BLOCK_POSITIONS).putInt(tokens.length).putInt(cached).putInt(logits == null ? 0 : 1);
            append(out, MemorySegment.ofArray(header.array()));
            append(out, MemorySegment.ofArray(tokens));
            append(out, MemorySegment.ofArray(logits == null ? new float[0] : logits));
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment block = arena.allocate(cache.blockBytes(), Double.BYTES);
                for (int i = 0; i < Math.ceilDiv(cached, KvCache.BLOCK_POSITIONS); i++) {
                    cache.readBlock(i, block);
                    append(out, block);
                }
            }
            out.write(MemorySegment.ofArray(new int[] {(int) checksum.getValue()}));
        }, (detail, cause) -> new SnapshotException(Reason.UNWRITABLE, file, detail, cause));
    }

    private void append(NewFile out, MemorySegment bytes) throws IOException {
        Interrupts.check(file + ": writing it");
        if (bytes.isNative()) {
            checksum.update(bytes.asByteBuffer());
        } else {
            checksum.update(bytes.toArray(ValueLayout.JAVA_BYTE));
        }
        out.write(bytes);
    }

    private void read(Sequence sequence) {
        if (Files.exists(file) && !Files.isRegularFile(file)) {
            throw fault(Reason.UNREADABLE, "this is not a regular file; name the file that Session.snapshot wrote",
                    null);
        }
        try (SeekableByteChannel in = Files.newByteChannel(file)) {
            read(in, sequence);
        } catch (EOFException e) {
            throw fault(Reason.CORRUPT, "the file ends too early; take the snapshot again", e);
        } catch (IOException | SecurityException e) {
            throw Interrupts.orElse(e, file + ": reading it",
                    () -> fault(Reason.UNREADABLE, "cannot be read (" + e + "); check the path and its permissions", e));
        }
    }

    private void read(SeekableByteChannel in, Sequence sequence) throws IOException {
        ByteBuffer header = read(in, HEADER_BYTES);
        int magic = header.getInt();
        int version = header.getInt();
        if (magic != MAGIC || version != VERSION) {
            throw fault(Reason.UNKNOWN_FORMAT, "expected a session's snapshot of version " + VERSION + ", found "
                    + (magic == MAGIC ? "version " + version : magic == Integer.reverseBytes(MAGIC)
                            ? "one of a machine of another byte order" : "another kind of file")
                    + "; take the snapshot again with this version of the engine", null);
        }
        KvCache cache = sequence.cache();
        checkModel(header, cache);
        int length = header.getInt();
        int cached = header.getInt();
        int hasLogits = header.getInt();
        // A generated token need not have been read, so that there may be one more than the context holds.
        if (length < 0 || length > cache.context() + 1 || cached < 0 || cached > Math.min(length, cache.context())
                || hasLogits < 0 || hasLogits > 1) {
            throw fault(Reason.CORRUPT, "expected at most " + (cache.context() + 1) + " tokens and as many cached"
                    + " positions, found " + length + " and " + cached + "; take the snapshot again", null);
        }
        int[] tokens = new int[length];
        float[] logits = hasLogits == 0 ? null : new float[model.config().vocabulary()];
        int blocks = Math.ceilDiv(cached, KvCache.BLOCK_POSITIONS);
        long expected = HEADER_BYTES + (long) Integer.BYTES * length
                + (logits == null ? 0 : (long) Float.BYTES * logits.length) + blocks * cache.blockBytes() + Integer.BYTES;
        if (in.size() != expected) {
            throw fault(Reason.CORRUPT, "expected " + expected + " bytes, found " + in.size()
                    + "; take the snapshot again", null);
        }
        read(in, Integer.BYTES * length).asIntBuffer().get(tokens);
        if (logits != null) {
            read(in, Float.BYTES * logits.length).asFloatBuffer().get(logits);
        }
        readBlocks(in, cache, cached);
        int sum = (int) checksum.getValue();
        if (read(in, Integer.BYTES).getInt() != sum) {
            throw fault(Reason.CORRUPT, "the contents do not match their checksum; take the snapshot again", null);
        }
        try {
            for (int i = 0; i < length; i++) {
                model.forward().checkToken(tokens[i], i);
            }
        } catch (InvalidInputException e) {
            throw fault(Reason.CORRUPT, e.getMessage(), e);
        }
        sequence.restore(tokens, logits);
    }

    private void checkModel(ByteBuffer header, KvCache cache) {
        byte[] fingerprint = new byte[FINGERPRINT_BYTES];
        header.get(fingerprint);
        if (!Arrays.equals(fingerprint, model.fingerprint())) {
            throw fault(Reason.OTHER_MODEL, "it was taken with another model, or with weights kept in another type;"
                    + " restore it with a model that is opened as that was", null);
        }
        int type = header.getInt();
        int blockPositions = header.getInt();
        if (type != code(cache.type()) || blockPositions != KvCache.BLOCK_POSITIONS) {
            throw fault(Reason.OTHER_CACHE_TYPE, "expected keys and values of " + cache.type() + ", found "
                    + nameOf(type)
                    + "; open the model with ModelOptions.withCache of that type, on the same backend", null);
        }
    }

    private static String nameOf(int code) {
        return Arrays.stream(DType.values()).filter(type -> code(type) == code).map(DType::name).findFirst()
                .orElse("type " + code);
    }

    private void readBlocks(SeekableByteChannel in, KvCache cache, int cached) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment block = arena.allocate(cache.blockBytes(), Double.BYTES);
            ByteBuffer bytes = block.asByteBuffer();
            for (int begin = 0; begin < cached; begin += KvCache.BLOCK_POSITIONS) {
                fill(in, bytes.clear());
                cache.writeBlock(block, Math.min(KvCache.BLOCK_POSITIONS, cached - begin));
            }
        }
    }

    private ByteBuffer read(SeekableByteChannel in, int count) throws IOException {
        return fill(in, buffer(count));
    }

    private ByteBuffer fill(SeekableByteChannel in, ByteBuffer bytes) throws IOException {
        Interrupts.check(file + ": reading it");
        while (bytes.hasRemaining()) {
            if (in.read(bytes) < 0) {
                throw new EOFException();
            }
        }
        checksum.update(bytes.flip());
        return bytes.rewind();
    }

    private static ByteBuffer buffer(int count) {
        return ByteBuffer.allocate(count).order(ByteOrder.nativeOrder());
    }

    private SnapshotException fault(Reason reason, String detail, Exception cause) {
        return new SnapshotException(reason, file, detail, cause);
    }
}
