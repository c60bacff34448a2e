/** The {@code isthmus} command. */
module dev.isthmus.tools {
    requires dev.isthmus.engine;
    requires dev.isthmus.bindings;
    requires com.fasterxml.jackson.core;
    requires info.picocli;
    requires java.management;
    requires java.net.http;
    requires me.tongfei.progressbar;

    opens dev.isthmus.tools.commands to info.picocli;
    opens dev.isthmus.tools.model to info.picocli;
}
