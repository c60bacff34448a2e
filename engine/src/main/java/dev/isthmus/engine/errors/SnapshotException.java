package dev.isthmus.engine.errors;

import java.nio.file.Path;

/** A session's snapshot cannot be written, read, or used with this model. */
public final class SnapshotException extends EngineException {

    private static final long serialVersionUID = 1L;

    /** What is wrong. */
    public enum Reason {
        /** The file cannot be read. */
        UNREADABLE,
        /** The file cannot be written. */
        UNWRITABLE,
        /** It is no snapshot, or one of another version or byte order. */
        UNKNOWN_FORMAT,
        /** It is shorter or longer than it says, or its contents have changed since it was written. */
        CORRUPT,
        /** It was taken with another model, or with weights kept in another type. */
        OTHER_MODEL,
        /** Its keys and values have another type than this model's sessions keep. */
        OTHER_CACHE_TYPE
    }

    /** What is wrong. */
    private final Reason reason;
    private final transient Path file;

    /**
     * Makes one.
     *
     * @param reason the kind of fault
     * @param file the file; the message begins with it
     * @param detail expected, found, and what the user can do
     * @param cause what caused it, or null
     */
    public SnapshotException(Reason reason, Path file, String detail, Throwable cause) {
        super(file + ": " + detail, cause);
        this.reason = reason;
        this.file = file;
    }

    /** {@return the kind of fault} */
    public Reason reason() {
        return reason;
    }

    /** {@return the file at fault; null after serialization} */
    public Path file() {
        return file;
    }
}
