package dev.isthmus.tools.commands;

import dev.isthmus.engine.api.Isthmus;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The command without a subcommand: shows what there is. */
@Command(name = "isthmus",
        description = "Runs GPT-2 models: text, logits and scores, checked against GPT-2's published numbers.",
        mixinStandardHelpOptions = true,
        versionProvider = IsthmusCommand.Version.class,
        synopsisSubcommandLabel = "COMMAND",
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {"0:it went well", "1:it failed; standard error says why", "2:the arguments make no sense"},
        footerHeading = "%n",
        footer = {
            "Without --model a small embedded model runs. Results go to standard output, all else to standard error.",
            "'isthmus COMMAND --help' explains a command."})
final class IsthmusCommand implements Runnable {

    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "a command is missing");
    }

    /** The library's version, which is the command's too. */
    static final class Version implements IVersionProvider {

        @Override
        public String[] getVersion() {
            return new String[] {"isthmus " + Isthmus.version()};
        }
    }
}
