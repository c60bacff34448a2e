package dev.isthmus.engine.errors;

/**
 * Everything that the engine refuses or fails at. The message says what was being done, what was expected, what
 * was found and what the caller can do.
 */
public abstract sealed class EngineException extends RuntimeException
        permits CheckpointException, UnsupportedModelException, InvalidInputException, ContextFullException,
                ClosedException, ConcurrentUseException, CancelledException, BackendException,
                OutOfMemoryException, DeadlineExceededException, SnapshotException {

    private static final long serialVersionUID = 1L;

    EngineException(String message) {
        super(message);
    }

    EngineException(String message, Throwable cause) {
        super(message, cause);
    }
}
