package dev.isthmus.engine.errors;

import java.nio.file.Path;

/** A file of a checkpoint directory cannot be read, or is not what it should be. */
public final class CheckpointException extends EngineException {

    private static final long serialVersionUID = 1L;

    /** What is wrong with the file. The first ten are the error kinds of the Rust safetensors reader. */
    public enum Reason {
        /** Fewer than 8 bytes. */
        HEADER_TOO_SMALL,
        /** The header's stated length is over 100,000,000 bytes. */
        HEADER_TOO_LARGE,
        /** The header ends beyond the end of the file. */
        INVALID_HEADER_LENGTH,
        /** The header is not UTF-8. */
        INVALID_HEADER,
        /** The header is not the JSON that the format asks for. */
        INVALID_HEADER_DESERIALIZATION,
        /** Offsets overlap, leave a gap or run backwards. */
        INVALID_OFFSET,
        /** A tensor's byte count is not what its shape and type ask for. */
        TENSOR_INVALID_INFO,
        /** A tensor's byte count overflows. */
        VALIDATION_OVERFLOW,
        /** The file is longer or shorter than the header says. */
        METADATA_INCOMPLETE_BUFFER,
        /** A tensor of a sub-byte type does not end on a byte. */
        MISALIGNED_SLICE,
        /** A key appears twice. */
        DUPLICATE_KEY,
        /** A file that must be there is not. */
        MISSING_FILE,
        /** The file cannot be read. */
        UNREADABLE,
        /** The file cannot be written. */
        UNWRITABLE,
        /** The file's content is not what this kind of file holds. */
        MALFORMED,
        /** The file asks for a tokenizer that is not supported; whatever takes token ids works without it. */
        UNSUPPORTED_TOKENIZER,
        /** A tensor that the model needs is not there. */
        MISSING_TENSOR,
        /** A tensor has another shape than the configuration asks for. */
        WRONG_SHAPE,
        /** A tensor has an element type that a weight cannot have. */
        WRONG_TYPE,
        /** The index and the shards disagree, or a shard's name leaves the directory. */
        INVALID_SHARD
    }

    /** The kind of fault. */
    private final Reason reason;
    private final transient Path file;

    /**
     * Makes one.
     *
     * @param reason the kind of fault
     * @param file the file at fault; the message begins with it
     * @param detail tensor, expected, found, and what the user can do
     */
    public CheckpointException(Reason reason, Path file, String detail) {
        this(reason, file, detail, null);
    }

    /**
     * Makes one with what caused it.
     *
     * @param reason the kind of fault
     * @param file the file at fault
     * @param detail what was expected, what was found, and what the user can do
     * @param cause what caused it
     */
    public CheckpointException(Reason reason, Path file, String detail, Throwable cause) {
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
