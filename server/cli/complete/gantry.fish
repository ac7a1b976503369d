# Completion of gantry for fish: put it as gantry.fish into ~/.config/fish/completions, or say: gantry completion fish | source
function __gantry_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    for line in ($words[1] __complete -- $words[2..-1] "$typed" 2>/dev/null)
        switch $line
            case :nothing
            case :files :joined
                __fish_complete_path "$typed"
            case '*'
                echo $line
        end
    end
end
complete -c gantry -f -a '(__gantry_complete)'
