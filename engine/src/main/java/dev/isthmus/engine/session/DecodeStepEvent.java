package dev.isthmus.engine.session;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** A forward pass that reads the next token of one or more texts. */
@Name("isthmus.DecodeStep")
@Label("Decode Step")
@Description("A forward pass that reads the next token of one or more texts")
@Category("Isthmus")
@StackTrace(false)
final class DecodeStepEvent extends Event {

    @Label("Texts")
    @Description("One token is read of each")
    int sequences;

    @Label("Positions")
    @Description("The length of the texts after the pass, all together")
    long positions;

    /** An event that has begun. */
    static Event begin(int sequences, long positions) {
        DecodeStepEvent event = new DecodeStepEvent();
        event.sequences = sequences;
        event.positions = positions;
        event.begin();
        return event;
    }
}
