package dev.isthmus.engine.session;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** A forward pass that reads several tokens of a text, or the first one. */
@Name("isthmus.Prefill")
@Label("Prefill")
@Description("A forward pass that reads several tokens of a text")
@Category("Isthmus")
@StackTrace(false)
final class PrefillEvent extends Event {

    @Label("Tokens Read")
    int tokens;

    @Label("Tokens Decoded")
    @Description("Tokens of other texts that the same pass read one at a time")
    int decodeTokens;

    @Label("Texts")
    int sequences;

    @Label("Positions")
    @Description("The length of the texts after the pass, all together")
    long positions;

    /** An event that has begun. */
    static Event begin(int sequences, int tokens, int decodeTokens, long positions) {
        PrefillEvent event = new PrefillEvent();
        event.sequences = sequences;
        event.tokens = tokens;
        event.decodeTokens = decodeTokens;
        event.positions = positions;
        event.begin();
        return event;
    }
}
