package dev.isthmus.tools.io;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.weights.TensorInfo;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** Digests of files and of tensors, in lower-case hexadecimal. */
public final class Digests {

    private static final int CHUNK = 1 << 20;

    private Digests() {}

    /** The SHA-256 of a file. */
    public static String sha256(Path file) {
        return finish(named("SHA-256"), file);
    }

    /** The SHA-1 by which git knows a file with these contents: of a header with its size, then the contents. */
    public static String gitBlob(Path file) {
        MessageDigest digest = named("SHA-1");
        try {
            digest.update(("blob " + Files.size(file) + "\0").getBytes(StandardCharsets.US_ASCII));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return finish(digest, file);
    }

    /** The SHA-256 of a tensor's bytes as they are stored. */
    public static String sha256(Checkpoint checkpoint, TensorInfo tensor) {
        MessageDigest digest = named("SHA-256");
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

    private static String finish(MessageDigest digest, Path file) {
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

    private static MessageDigest named(String algorithm) {
        try {
            return MessageDigest.getInstance(algorithm);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has " + algorithm, e);
        }
    }
}
