package dev.isthmus.engine.errors;

/** The tokens asked for do not fit into the model's context; nothing was computed. */
public final class ContextFullException extends EngineException {

    private static final long serialVersionUID = 1L;

    /** The model's context in tokens. */
    private final int limit;

    /**
     * Makes one.
     *
     * @param limit the model's context in tokens
     * @param used the tokens that the session already holds
     * @param wanted the tokens that should have been added
     */
    public ContextFullException(int limit, int used, int wanted) {
        super("the context is full: the model's limit is " + limit + " tokens, the session holds " + used + " and "
                + wanted + " more were asked for; shorten the prompt, ask for fewer tokens or rewind the session");
        this.limit = limit;
    }

    /** {@return the model's context in tokens} */
    public int limit() {
        return limit;
    }
}
