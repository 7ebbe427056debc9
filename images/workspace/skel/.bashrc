# /etc/profile forgets the seat's own tools.
case ":$PATH:" in
  *":$CLARATEACH_TOOLS:"*) ;;
  *) PATH="$HOME/.local/bin:${CLARATEACH_TOOLS:-/opt/clarateach/tools/node_modules/.bin}:$PATH" ;;
esac
export PATH

# When memory runs out, what the learner started goes before the terminal does.
{ echo 500 >/proc/self/oom_score_adj; } 2>/dev/null

case $- in
  *i*) ;;
  *) return ;;
esac

HISTCONTROL=ignoreboth
HISTSIZE=5000
HISTFILESIZE=10000
shopt -s histappend checkwinsize
# Each command is kept as it is typed: a seat may end at any moment.
PROMPT_COMMAND='history -a'

PS1='\[\e[1;32m\]seat-${SEAT:-?}\[\e[0m\]:\[\e[1;34m\]\w\[\e[0m\]\$ '

alias ls='ls --color=auto'
alias ll='ls -alF'
alias grep='grep --color=auto'

# Completion is read at the first Tab, not before the first prompt.
_load_completion() {
  complete -r -D
  [ -r /usr/share/bash-completion/bash_completion ] && . /usr/share/bash-completion/bash_completion
  return 124
}
complete -D -F _load_completion
