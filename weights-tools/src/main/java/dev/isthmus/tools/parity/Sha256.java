package dev.isthmus.tools.parity;

import dev.isthmus.engine.weights.Checkpoint;
import dev.isthmus.engine.weights.TensorInfo;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** SHA-256 of files and of tensors, in lower-case hexadecimal. */
final class Sha256 {

    private static final int CHUNK = 1 << 20;

    private Sha256() {}

    static String of(Path file) {
        MessageDigest digest = digest();
        try (InputStream in = Files.newInputStream(file)) {
            byte[] chunk = new byte[CHUNK];
            for (int count = in.read(chunk); count >= 0; count = in.read(chunk)) {
                digest.update(chunk, 0, count);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    /** Of a tensor's bytes as they are stored. */
    static String of(Checkpoint checkpoint, TensorInfo tensor) {
        MessageDigest digest = digest();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment chunk = arena.allocate(CHUNK);
            for (long at = 0; at < tensor.bytes(); at += CHUNK) {
                MemorySegment part = chunk.asSlice(0, Math.min(CHUNK, tensor.bytes() - at));
                checkpoint.readBytes(tensor, at, part);
                digest.update(part.asByteBuffer());
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private static MessageDigest digest() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }
}
