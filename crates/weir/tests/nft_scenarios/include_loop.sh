# Files that include each other.
echo 'include "./f2"' > f1; echo 'include "./f1"' > f2
nft -f f1 >/dev/null 2>&1; echo $?
