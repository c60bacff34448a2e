package dev.isthmus.engine.files;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Locale;

/** What downloads leave under a model file's name instead of its contents. */
public final class WrongContent {

    /** Enough of a file's beginning to tell. */
    public static final int BYTES = 512;

    private WrongContent() {}

    /**
     * Checks the beginning of a file.
     *
     * @param beginning the file's first {@value #BYTES} bytes, or all of a shorter one; its position stays
     * @throws CheckpointException if the file is a Git LFS pointer or a web page
     */
    public static void require(ByteBuffer beginning, Path file) {
        byte[] bytes = new byte[Math.min(BYTES, beginning.remaining())];
        beginning.get(beginning.position(), bytes);
        String text = new String(bytes, StandardCharsets.ISO_8859_1);
        if (isPointer(text)) {
            throw new CheckpointException(Reason.MALFORMED, file, "this is a Git LFS pointer, which stands for the file"
                    + " in a repository that was cloned without Git LFS; install Git LFS and run \"git lfs pull\" in the"
                    + " repository, or download the file itself");
        }
        if (isPage(text)) {
            throw new CheckpointException(Reason.MALFORMED, file, "this is a web page, which a server gave instead of"
                    + " the file; download the file itself again, with the access that the model asks for");
        }
    }

    /** By the specification of Git LFS: the key version first, and a key oid. Older versions have other addresses. */
    private static boolean isPointer(String text) {
        return text.startsWith("version https://") && text.contains("\noid sha256:");
    }

    private static boolean isPage(String text) {
        String start = text.stripLeading().toLowerCase(Locale.ROOT);
        return start.startsWith("<!doctype html") || start.startsWith("<html");
    }
}
