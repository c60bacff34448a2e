package dev.isthmus.bindings;

/**
 * A native library was called for that could not be loaded. The message lists every place that was tried and why
 * each failed; {@link #status()} has the same as data.
 */
public final class NativeLibraryException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient LibraryStatus status;

    NativeLibraryException(LibraryStatus status) {
        super(status.report());
        this.status = status;
    }

    /** What was tried; {@code null} only in an exception that was deserialised. */
    public LibraryStatus status() {
        return status;
    }
}
